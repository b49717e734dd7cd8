// What of a document's process, labels and clocks this host cannot give.
import type { EngineError } from '../../model/errors.ts'
import { isAtLeast } from '../../model/host-facts.ts'
import { notifies } from '../seccomp/actions.ts'
import { hasNew, type LaunchInput } from './build.ts'
import { isJoined } from './joined.ts'
import { isBind, parseMountOptions } from './mount-options.ts'
import { invalid, unfit, unsupported } from './refusals.ts'

export const refuseProcess = (input: LaunchInput): EngineError | undefined =>
  refuseLabels(input) ??
  refuseScheduling(input) ??
  refuseTerminal(input) ??
  refuseTime(input) ??
  refuseRdt(input) ??
  refuseListener(input)

/** A label that is not applied is a container that is not confined. */
const refuseLabels = ({ spec: { process, linux }, facts }: LaunchInput): EngineError | undefined => {
  const asked = (label: string | undefined): boolean => (label ?? '') !== ''
  if (asked(process?.apparmorProfile) && !facts.apparmor)
    return unfit('process.apparmorProfile', 'this kernel has no AppArmor, or it is not enabled')
  if (facts.selinux) return undefined
  const label = asked(process?.selinuxLabel) ? 'process.selinuxLabel' : 'linux.mountLabel'
  return asked(process?.selinuxLabel) || asked(linux?.mountLabel)
    ? unfit(label, 'this kernel has no SELinux, or it is not enabled')
    : undefined
}

/** sched(7): the number is reserved, and no kernel has the policy. */
const refuseScheduling = ({ spec: { process } }: LaunchInput): EngineError | undefined =>
  process?.scheduler?.policy === 'SCHED_ISO'
    ? unfit('process.scheduler of policy SCHED_ISO', 'Linux keeps a number for it and has no such policy')
    : undefined

/** It is made in the container's own devpts, and bound over a file of its own /dev. */
const refuseTerminal = ({ spec }: LaunchInput): EngineError | undefined => {
  if (spec.process?.terminal !== true || isJoined(spec, 'mount')) return undefined
  const made = (spec.mounts ?? []).filter(
    (mount) => !isBind(mount) && !parseMountOptions(mount.options).remount,
  )
  const hasDev = made.some(
    ({ destination, type }) => destination === '/dev' && type?.startsWith('cgroup') === false,
  )
  if (!hasDev) return invalid('.process.terminal', "needs a file system of the container's own at /dev")
  return made.some(({ destination, type }) => destination === '/dev/pts' && type === 'devpts')
    ? undefined
    : invalid('.process.terminal', 'needs a devpts at /dev/pts')
}

const refuseTime = ({ spec }: LaunchInput): EngineError | undefined =>
  spec.linux?.timeOffsets === undefined || hasNew(spec, 'time')
    ? undefined
    : invalid('.linux.timeOffsets', 'needs a new time namespace: those of one that is joined are fixed')

const refuseRdt = ({ spec }: LaunchInput): EngineError | undefined =>
  spec.linux?.intelRdt === undefined
    ? undefined
    : unsupported('linux.intelRdt', 'groups of resctrl are not made')

/** Without an agent every call that is to be answered fails with ENOSYS: seccomp_unotify(2). */
const refuseListener = ({ spec, filter, facts, lasting }: LaunchInput): EngineError | undefined => {
  const { seccomp } = spec.linux ?? {}
  if (seccomp === undefined) return undefined
  if (filter === undefined) throw new Error('the filter of a document is compiled by who plans it')
  if (!notifies(seccomp)) return undefined
  if (lasting === undefined)
    return unsupported(
      'linux.seccomp with SCMP_ACT_NOTIFY',
      'no listener is handed to linux.seccomp.listenerPath',
    )
  const { listenerPath = '', flags = [] } = seccomp
  if (!listenerPath.startsWith('/'))
    return invalid(
      '.linux.seccomp.listenerPath',
      listenerPath === '' ? 'is required with SCMP_ACT_NOTIFY' : 'must be an absolute path',
    )
  if (!facts.seccompActions.includes('user_notif'))
    return unfit('linux.seccomp with SCMP_ACT_NOTIFY', 'this kernel notifies nobody (Linux 5.0)')
  return flags.includes(WAIT_KILLABLE) && !isAtLeast(facts.kernel, 5, 19)
    ? unfit(`linux.seccomp.flags: ${WAIT_KILLABLE}`, 'this kernel has no such flag (Linux 5.19)')
    : undefined
}

const WAIT_KILLABLE = 'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'
