// slipway system prune: removes ended containers, and images and volumes nobody asks for any more, after a question.
import * as E from '#fp/Either'
import { command } from '../command.ts'
import {
  confirmed,
  containersText,
  imagesText,
  POSTPONED,
  pruneContainers,
  pruneForce,
  reclaimedText,
  tellDamaged,
  volumesText,
} from '../prune.ts'
import { pruneFilters } from '../prune-filters.ts'
import { misuse, refuse } from '../report.ts'

export const systemPrune = command({
  name: 'system prune',
  summary: 'Remove ended containers, and images that have no name or that nobody uses',
  usage: '[OPTIONS]',
  flags: {
    all: {
      kind: 'boolean',
      short: 'a',
      help: 'Also every named image that no container is left of',
    },
    filter: {
      kind: 'list',
      value: 'KEY=VALUE',
      help: 'Only what until=24h (made before that), label=KEY[=VALUE] or label!=KEY[=VALUE] lets through',
    },
    force: pruneForce,
    volumes: { kind: 'boolean', help: 'Also volumes that nobody gave a name and no container has' },
  },
  run: async (context) => {
    const { all, filter, force, volumes } = context.args.flags
    const conditions = pruneFilters(filter, Date.now())
    if (E.isLeft(conditions)) return misuse(context, 'system prune', conditions.left)
    if (!force && !(await confirmed(context, warning(all, volumes)))) return 1
    const engine = await context.engine()
    const containers = await pruneContainers(engine, conditions.right)
    if (E.isLeft(containers)) return refuse(context, containers.left)
    context.stdout.write(containersText(containers.right))
    const pruned = volumes ? await engine.volumes.prune(conditions.right)() : E.right(NO_VOLUMES)
    if (E.isLeft(pruned)) return refuse(context, pruned.left)
    context.stdout.write(volumesText(pruned.right))
    const images = await engine.images.prune({ all, ...conditions.right })()
    if (E.isLeft(images)) return refuse(context, images.left)
    const parts = [containers.right, pruned.right, images.right]
    const bytes = parts.reduce((sum, { reclaimedBytes }) => sum + reclaimedBytes, 0)
    context.stdout.write(imagesText(images.right) + reclaimedText(bytes))
    if (images.right.postponed) context.stderr.write(POSTPONED)
    await tellDamaged(context, engine, volumes)
    return 0
  },
})

const NO_VOLUMES = { removed: [], reclaimedBytes: 0 }

const warning = (all: boolean, volumes: boolean): string =>
  `WARNING! This will remove:
  - all stopped containers${volumes ? '\n  - all anonymous volumes not used by at least one container' : ''}
  - all ${all ? 'images without at least one container associated to them' : 'dangling images'}

`
