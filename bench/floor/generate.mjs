// A recorded start -> straight-line C: every operation one system call with its constants, no interpreter left.
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { decodePlan, textAt } from './decode.mjs'

const AT_REMOVEDIR = 0x200
const O_CREAT = 0o100

const argument = ({ kind, value }) =>
  kind === 'slot'
    ? `s[${value}]`
    : kind === 'data'
      ? `A(${value})`
      : `${value === -(2n ** 63n) ? `(-${2n ** 63n - 1n}L - 1)` : `${value}L`}`

/** Trailing zero arguments are left out: the kernel does not look at them. */
const argumentsOf = (op) => {
  const last = op.args.findLastIndex(({ kind, value }) => kind !== 'number' || value !== 0n)
  return Array.from({ length: 6 }, (_, index) => (index <= last ? argument(op.args[index]) : '0')).join(', ')
}

const CALLS = {
  syscall: (op) => `sc(${op.nr}, ${argumentsOf(op)})`,
  refuseFs: (op) => `refuse_fs(${op.args.slice(0, 2).map(argument).join(', ')})`,
  checkStat: (op) => `check_stat(${op.args.slice(0, 3).map(argument).join(', ')})`,
  fail: (op) => `-(remembered ? remembered : ${argument(op.args[0])})`,
  resetSignals: () => 'reset_signals()',
  closeOthers: (op) => `close_others((const long[]){${op.args.map(argument).join(', ')}})`,
  report: (op) => `report(${argument(op.args[0])})`,
  putPid: (op) => `put_pid(${argument(op.args[0])}, ${argument(op.args[1])})`,
  setSlot: (op) => argument(op.args[0]),
  putSlot: (op) => `put_slot(${argument(op.args[0])}, ${argument(op.args[1])})`,
}

const statement = (plan, op, index, targets) => {
  const call = CALLS[op.kind]
  if (!call) throw new Error(`the floor cannot replay an operation of kind ${op.kind}`)
  const jump = (skip) => {
    targets.add(index + skip + 1)
    return `goto op${index + skip + 1};`
  }
  const denied = op.rememberDenied ? 'if (r == -13) remembered = 13; ' : ''
  const tolerated = op.tolerated.map((error) => `r == -${error}`).join(' || ')
  return [
    `r = ${call(op, plan)};`,
    `STAMP(${index});`,
    'if (is_failure(r)) {',
    tolerated ? `  if (${tolerated}) { ${denied}${jump(op.skipOnTolerated)} }` : '',
    `  return failed_at(${index}, r);`,
    '}',
    op.resultSlot === undefined ? '' : `s[${op.resultSlot}] = r;`,
    op.skipOnSuccess ? jump(op.skipOnSuccess) : '',
  ].filter(Boolean)
}

/** One C function `static int <name>(long *s, unsigned char *d)`; `d` is the plan's data section. */
export const functionOf = (name, plan) => {
  const targets = new Set()
  const bodies = plan.ops.map((op, index) => statement(plan, op, index, targets))
  const lines = bodies.flatMap((body, index) => [...(targets.has(index) ? [`op${index}:;`] : []), ...body])
  const end = targets.has(plan.ops.length) ? [`op${plan.ops.length}:;`] : []
  const head = `static int ${name}(long *s, unsigned char *d) {`
  return [
    head,
    'long r = 0, remembered = 0;',
    '(void)s, (void)d, (void)r, (void)remembered;',
    ...lines,
    ...end,
    'return 0;',
    '}',
    '',
  ].join('\n')
}

/** In the place of an operation that is left out: jumps still find their targets. */
const NOTHING = { kind: 'setSlot', args: [{ kind: 'number', value: 0n }], tolerated: [] }

const planOf = (base64) =>
  base64 ? { bytes: Buffer.from(base64, 'base64'), ...decodePlan(Buffer.from(base64, 'base64')) } : undefined

/** `static unsigned char <name>[]` with the bytes of a file beside the generated source. */
const bytesOf = (folder, name, plan) => {
  if (!plan)
    return `static unsigned char ${name}[8];\nenum { ${name}_size = 0, ${name}_relocations = 0, ${name}_count = 0, ${name}_data = 0 };\n`
  const file = path.join(folder, `${name}.bin`)
  writeFileSync(file, plan.bytes)
  return [
    `asm(".data\\n.balign 8\\n${name}:\\n.incbin \\"${file}\\"\\n.balign 8\\n.text\\n");`,
    `extern unsigned char ${name}[];`,
    `enum { ${name}_size = ${plan.bytes.length}, ${name}_relocations = ${plan.relocationsAt}, ${name}_count = ${plan.relocationCount}, ${name}_data = ${plan.dataAt} };`,
    '',
  ].join('\n')
}

const list = (type, name, values) =>
  `static const ${type} ${name}[] = {${[...values, 0].join(', ')}};\nenum { ${name}_count = ${values.length} };\n`
const quoted = (text) => JSON.stringify(text)

/** What a start leaves behind in the file system, in the order it was made: `{ slot, name, flags }`. */
const leftoversOf = (plan) =>
  (plan?.ops ?? []).flatMap((op) => {
    const [directory, name, flags] = op.args
    if (op.kind !== 'syscall' || directory.kind !== 'slot' || name.kind !== 'data') return []
    const made = { slot: Number(directory.value), name: textAt(plan, name.value) }
    if (op.nr === MKDIRAT) return [{ ...made, flags: AT_REMOVEDIR }]
    return op.nr === OPENAT && Number(flags.value) & O_CREAT ? [{ ...made, flags: 0 }] : []
  })
const leftovers = ({ prepare, layers, after }) => [prepare, layers, after].flatMap(leftoversOf)
const [MKDIRAT, OPENAT] = process.arch === 'x64' ? [258, 257] : [34, 56]

/** enum When of engine.c. */
const WHEN = { early: 'kEarly', after: 'kAfter', last: 'kLast', later: 'kLater' }

/** Where the network program leaves its namespace: what its last ioctl(2) gave. */
const networkSlot = (plan) =>
  plan?.ops.findLast(({ nr, resultSlot }) => nr === IOCTL && resultSlot !== undefined)?.resultSlot ?? 0
const IOCTL = process.arch === 'x64' ? 16 : 29

const stageTable = (stages) =>
  stages
    .map(
      ({ base, when }, index) =>
        `{stage_${index}, stage_${index}_size, stage_${index}_fds, stage_${index}_fds_count, ${base}, ${WHEN[when]}},`,
    )
    .join('\n')

const engineSource = (folder, { script, slotFiles, fireFiles = [] }, plans) =>
  [
    bytesOf(folder, 'prepare_plan', plans.prepare),
    bytesOf(folder, 'in_child_plan', plans.inChild),
    bytesOf(folder, 'after_plan', plans.after),
    bytesOf(folder, 'layers_plan', plans.layers),
    bytesOf(folder, 'network_plan', plans.network),
    ...plans.stages.map(
      (plan, index) =>
        bytesOf(folder, `stage_${index}`, plan) +
        list('unsigned short', `stage_${index}_fds`, script.stages[index].fds),
    ),
    `static struct Stage stages[] = {\n${stageTable(script.stages)}\n};`,
    `enum { stage_count = ${script.stages.length}, slot_count = ${script.slotCount}, cgroup_slot = ${script.cgroupSlot ?? -1}, network_slot = ${networkSlot(plans.network)} };`,
    `static const unsigned long clone_flags = ${script.cloneFlags}UL;`,
    list('unsigned short', 'keep', script.keep),
    list('unsigned short', 'close_at_end', script.close),
    `static const char *const slot_files[] = {${slotFiles.map(quoted).join(', ')}};`,
    `enum { slot_files_count = ${slotFiles.length} };`,
    `static const char *const fire_files[] = {${[...fireFiles.map(quoted), 0].join(', ')}};`,
    `enum { fire_files_count = ${fireFiles.length}, waits = ${fireFiles.length > 0 ? 1 : 0} };`,
    `static const struct Leftover leftovers[] = {${leftovers(plans)
      .map(({ slot, name, flags }) => `{${slot}, ${quoted(name)}, ${flags}}`)
      .join(', ')}};`,
    `enum { leftover_count = ${leftovers(plans).length} };`,
    `enum { has_layers = ${plans.layers ? 1 : 0}, has_network = ${plans.network ? 1 : 0} };`,
    functionOf('run_prepare', plans.prepare),
    ...['inChild', 'after', 'layers', 'network'].map((name) =>
      functionOf(`run_${name === 'inChild' ? 'in_child' : name}`, plans[name] ?? { ops: [] }),
    ),
  ].join('\n')

const initSource = (plans) =>
  [
    ...plans.stages.map((plan, index) => functionOf(`run_stage_${index}`, plan)),
    'static int run_stage(unsigned index, long *s, unsigned char *d) {',
    'switch (index) {',
    ...plans.stages.map((_, index) => `case ${index}: return run_stage_${index}(s, d);`),
    '}',
    'return failed_at(-1, -71);',
    '}',
    `static const struct Layout layouts[] = {${plans.stages.map((plan) => `{${plan.relocationsAt}, ${plan.relocationCount}, ${plan.dataAt}, ${plan.ops.length}}`).join(', ')}};`,
    '',
  ].join('\n')

/** Writes engine.inc and init.inc for one recorded start into `folder`, without the operations that `leaveOut(operation, plan)` names. */
export const generateFloor = (folder, recording, leaveOut = () => false) => {
  const { script } = recording
  const plans = {
    prepare: planOf(script.prepare),
    inChild: planOf(script.inChild),
    after: planOf(script.after),
    layers: planOf(script.layers),
    network: planOf(script.network),
    stages: script.stages.map(({ plan }) => planOf(plan)),
  }
  for (const plan of [...plans.stages, ...Object.values(plans)])
    if (plan?.ops) plan.ops = plan.ops.map((op) => (leaveOut(op, plan) ? NOTHING : op))
  writeFileSync(path.join(folder, 'engine.inc'), engineSource(folder, recording, plans))
  writeFileSync(path.join(folder, 'init.inc'), initSource(plans))
}
