// slipway system start and install: containers that are to run, run again after a reboot.
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import { fileErrorText } from '../callers-files.ts'
import { command } from '../command.ts'
import { refuse, reportError } from '../report.ts'
import { unitText } from '../system-unit.ts'

export const systemStart = command({
  name: 'system start',
  summary: 'Start the containers whose policy says so, as after a reboot',
  usage: '[OPTIONS]',
  flags: {},
  run: async ({ stdout, stderr, engine }) => {
    const result = await (await engine()).containers.startWanted()
    if (E.isLeft(result)) return refuse({ stderr }, result.left)
    const { started, failed } = result.right
    for (const name of started) stdout.write(`${name}\n`)
    for (const { error } of failed) reportError(stderr, error)
    return failed.length === 0 ? 0 : 1
  },
})

const UNIT = 'slipway.service'
const DEFAULT_ROOT = '/var/lib/slipway'

export const systemInstall = command({
  name: 'system install',
  summary: 'Write a unit that has systemd run `slipway system start` at each boot',
  usage: '[OPTIONS]',
  flags: {
    directory: {
      kind: 'text',
      value: 'DIR',
      help: 'Where units lie (default /etc/systemd/system)',
    },
    print: { kind: 'boolean', help: 'Show the unit, and write nothing' },
  },
  run: async ({ args, cwd, platform, stdout, stderr, engine }) => {
    const { directory = '/etc/systemd/system', print } = args.flags
    const store = await (await engine()).store()()
    if (E.isLeft(store)) return refuse({ stderr }, store.left)
    const { root } = store.right
    const text = unitText({ program: platform.program, ...(root === DEFAULT_ROOT ? {} : { root }) })
    if (print) {
      stdout.write(text)
      return 0
    }
    const folder = path.resolve(cwd, directory)
    try {
      place(folder, text)
    } catch (error) {
      const why = fileErrorText(error)
      return refuse({ stderr }, { _tag: 'InvalidOption', option: '--directory', value: folder, why })
    }
    stdout.write(`${path.join(folder, UNIT)}\n`)
    return 0
  },
})

/** The link is what `systemctl enable` makes of WantedBy=. */
const place = (folder: string, text: string): void => {
  const file = path.join(folder, UNIT)
  const wants = path.join(folder, 'multi-user.target.wants')
  mkdirSync(wants, { recursive: true })
  writeFileSync(`${file}.new`, text, { mode: 0o644 })
  renameSync(`${file}.new`, file)
  const link = path.join(wants, UNIT)
  rmSync(link, { force: true })
  symlinkSync(path.join('..', UNIT), link)
}
