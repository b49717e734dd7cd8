// What docker and podman say and do in the same words.
import { assert } from '../../support/suite.ts'
import type { Ran } from './stage.ts'

/** What it printed; it must have succeeded. */
export const said = ({ code, stdout, stderr }: Ran): string => {
  assert.is(code, 0, stderr)
  return stdout.trim()
}

export interface Engine {
  readonly call: (...argv: readonly string[]) => Ran
  /** In a container that is removed afterwards. */
  readonly sh: (script: string, ...flags: readonly string[]) => Ran
  /** A container that runs until it is ended. */
  readonly sleeper: (name: string, ...flags: readonly string[]) => void
  readonly inside: (name: string, ...argv: readonly string[]) => Ran
}

/** Capabilities in effect, no_new_privs and the filter. */
export const privilegesOf = ({ sh }: Engine, ...flags: readonly string[]): string =>
  said(sh('grep -E "CapEff|NoNewPrivs|Seccomp:" /proc/self/status | cut -f 2', ...flags)).replace(/\n/g, ' ')

export const commonFacts = (
  fact: (name: string, body: () => void) => void,
  { call, sh, sleeper, inside }: Engine,
): void => {
  fact('output and exit code are those of the program', () => {
    assert.equal(sh('echo out; echo err >&2; exit 7'), { code: 7, stdout: 'out\n', stderr: 'err\n' })
  })

  fact('a terminal is one, for the container and for one more process in it', () => {
    assert.match(said(sh('test -t 0 && ls -l /dev/console', '-t')), /^crw/)
    sleeper('shell', '-t')
    assert.is(call('exec', '-t', 'shell', 'sh', '-c', 'test -t 1 && exit 4').code, 4)
  })

  fact('signals arrive, and the exit code tells them', () => {
    sleeper('ended')
    said(call('kill', 'ended'))
    assert.is(said(call('wait', 'ended')), '137')
    said(call('start', 'ended'))
    assert.is(inside('ended', 'true').code, 0)
    said(call('restart', 'ended'))
    said(call('stop', 'ended'))
    assert.is(said(call('wait', 'ended')), '137')
  })
}
