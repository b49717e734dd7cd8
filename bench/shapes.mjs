// What is isolated: the steps of the launch-cold matrix, each adding one thing to the one before.

const STEPS = [
  ['none', {}],
  ['pid+mnt', { pid: true, mount: true }],
  ['+uts+ipc+cgroup', { uts: true, ipc: true, cgroupNamespace: true }],
  ['+net', { net: true }],
  ['+overlay', { overlay: true }],
  ['+masks', { masks: true }],
  ['+seccomp', { seccomp: true }],
  ['+caps', { caps: true }],
  ['all', { limits: true }],
]

/**
 * `{ name, pid, mount, uts, ipc, cgroupNamespace, net, overlay, masks, seccomp, caps, limits }`, cumulative.
 * `all` is Docker's whole default shape with memory, pids, cpu and device limits.
 */
export const shapes = STEPS.map(([name], index) =>
  Object.assign({}, ...STEPS.slice(0, index + 1).map(([, added]) => added), { name }),
)

export const shapeNamed = (name) => shapes.find((shape) => shape.name === name)
