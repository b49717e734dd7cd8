// The --filter of ps: which containers a list of KEY=VALUE conditions lets through.
import * as E from '#fp/Either'
import { fullName, looksLikeId, parseReference } from '../model/reference.ts'
import type { UsageError } from './args.ts'
import type { ContainerSummary } from './engine.ts'
import { filterItems, type Test as ItemTest, labelTest, type Maker, nameTest } from './filters.ts'

type Test = ItemTest<ContainerSummary>

/** Docker's words for states, and ours. Those of containers that cannot be here match nothing. */
const STATUS: Readonly<Record<string, ContainerSummary['status'] | undefined>> = {
  created: 'created',
  running: 'running',
  exited: 'stopped',
  restarting: 'restarting',
  removing: undefined,
  paused: 'paused',
  dead: undefined,
  damaged: 'damaged',
}

const HEALTH: ReadonlySet<string> = new Set(['starting', 'healthy', 'unhealthy', 'none'])

/** By key. A text instead of a test says what is wrong with the value. */
const MAKERS: Readonly<Record<string, Maker<ContainerSummary>>> = {
  id: (value) => (container) => container.id.startsWith(value),
  // Docker's names begin with a slash, and it lets either be meant.
  name: (value) => nameTest(value.replace(/^(\^?)\//, '$1')),
  ancestor: (value) => ancestorTest(value),
  label: labelTest,
  status: (value) =>
    Object.hasOwn(STATUS, value)
      ? (container) => container.status === STATUS[value]
      : `the states are ${Object.keys(STATUS).join(', ')}`,
  health: (value) =>
    HEALTH.has(value)
      ? (container) => (container.health ?? 'none') === value
      : `the states of health are ${[...HEALTH].join(', ')}`,
  network: (value) => (container) => container.network === value,
  volume: (value) => (container) =>
    (container.mounts ?? []).some(
      ({ type, source, target }) => target === value || (type !== 'bind' && source === value),
    ),
  exited: (value) =>
    /^\d+$/.test(value)
      ? (container) => container.status === 'stopped' && container.exitCode === Number(value)
      : 'an exit code is a number',
  before: (value, all) => relativeTo(value, all, (container, other) => container.createdMs < other.createdMs),
  since: (value, all) => relativeTo(value, all, (container, other) => container.createdMs > other.createdMs),
}

/** An image by its name, whose tag is `latest` unless it is given, or by its id. */
const ancestorTest = (value: string): Test => {
  const wanted = fullNameOf(value)
  const id = looksLikeId(value) ? value.replace(/^(sha256:)?/, 'sha256:') : undefined
  return ({ image, imageId }) =>
    image === value ||
    (id !== undefined && imageId.startsWith(id)) ||
    (wanted !== undefined && fullNameOf(image) === wanted)
}

const fullNameOf = (text: string): string | undefined => {
  const parsed = parseReference(text)
  return E.isRight(parsed) ? fullName(parsed.right) : undefined
}

const relativeTo = (
  name: string,
  all: readonly ContainerSummary[],
  compare: (container: ContainerSummary, other: ContainerSummary) => boolean,
): Test | string => {
  const other = all.find((container) => container.name === name || container.id.startsWith(name))
  return other === undefined ? 'there is no such container' : (container) => compare(container, other)
}

/** The containers that pass. `KEY=VALUE`: one of the values of each key must hold. */
export const filterContainers = (
  filters: readonly string[],
  containers: readonly ContainerSummary[],
): E.Either<UsageError, readonly ContainerSummary[]> => filterItems(MAKERS, filters, containers)
