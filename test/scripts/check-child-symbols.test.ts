// The binary check on small programs, each built with one fault.
import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { addonFaults, flagFaults, helperFaults, objectFaults } from '../../scripts/binary-rules.mjs'
import { assert, suite } from '../support/suite.ts'
import { runScript, withProject } from './project.ts'

/** Compiles `source` with `flags` and returns what `faults` says about the result. */
const judge = (source: string, flags: readonly string[], faults: (file: string) => readonly string[]) =>
  withProject({ 'a.c': source }, (root) => {
    const file = path.join(root, 'a.out')
    execFileSync('gcc', [path.join(root, 'a.c'), '-o', file, ...flags], { stdio: 'pipe' })
    return faults(file)
  })

const HELPER = ['-nostdlib', '-static', '-no-pie', '-Wl,-z,noexecstack', '-Wl,--build-id=none']
const START = 'void _start(void) { for (;;); }\n'

const Helper = suite('check-child-symbols/helper')
Helper.requires('program:gcc')
Helper('a static program without libc is accepted', () => {
  assert.equal(judge(START, HELPER, helperFaults), [])
})
Helper('a dynamic program is refused', () => {
  const found = judge('int main(void) { return 0; }\n', [], helperFaults)
  assert.ok(found.includes('has a dynamic section: it must run without a loader'))
  assert.ok(found.includes('names an interpreter, which no container has to contain'))
  assert.ok(found.some((fault) => /the symbol __libc_start_main\S* is undefined/.test(fault)))
})
Helper('a static program with libc is refused', () => {
  const found = judge('int main(void) { return 0; }\n', ['-static'], helperFaults)
  assert.ok(found.some((fault) => /bytes, more than 65536/.test(fault)))
  assert.ok(found.includes('has thread-local storage, which nothing sets up'))
})
Helper('an object file that uses what no other defines is refused', () => {
  const source = `__attribute__((weak)) void absent(void);\nvoid present(void) {}\nvoid _start(void) { absent(); present(); }\n`
  assert.equal(
    judge(source, ['-c'], (file) => objectFaults([file])),
    ['the symbol absent is undefined'],
  )
})
Helper('object files that define all they use are accepted', () => {
  assert.equal(
    judge(START, ['-c'], (file) => objectFaults([file])),
    [],
  )
})
Helper('a program above the size limit is refused', () => {
  const found = judge(`${START}const char bulk[70000] = {1};\n`, HELPER, helperFaults)
  assert.is(found.length, 1)
  assert.match(found[0] ?? '', /bytes, more than 65536/)
})
Helper('memory that is writable and executable is refused', () => {
  const found = judge(
    `${START}int data = 1;\n`,
    [...HELPER, '-Wl,--omagic', '-Wl,--no-warn-rwx-segments'],
    helperFaults,
  )
  assert.ok(found.includes('has memory that is both writable and executable'), found.join())
})
Helper('an executable stack is refused', () => {
  const flags = [...HELPER.filter((flag) => !flag.includes('noexecstack')), '-Wl,-z,execstack']
  assert.equal(judge(START, flags, helperFaults), ['asks for an executable stack'])
})
Helper('a text file is refused', () => {
  assert.throws(() => withProject({ a: 'text' }, (root) => helperFaults(path.join(root, 'a'))), /no 64-bit/)
})
Helper.run()

const ENTRIES = `void *napi_register_module_v1(void) { return 0; }
int node_api_module_get_api_version_v1(void) { return 9; }\n`
const ADDON = ['-shared', '-fPIC', '-Wl,-z,noexecstack']

const Addon = suite('check-child-symbols/addon')
Addon.requires('program:gcc')
Addon('an addon with the two entry points alone is accepted', () => {
  assert.equal(judge(ENTRIES, ADDON, addonFaults), [])
})
Addon('an addon that exports more is refused', () => {
  assert.equal(judge(`${ENTRIES}int helper(void) { return 1; }\n`, ADDON, addonFaults), ['exports helper'])
})
Addon('an addon without an entry point is refused', () => {
  const found = judge('static int nothing;\n', ADDON, addonFaults)
  assert.ok(found.includes('does not export napi_register_module_v1'))
})
Addon('an addon that needs one more library is refused', () => {
  const found = judge(ENTRIES, [...ADDON, '-Wl,--no-as-needed', '-lstdc++'], addonFaults)
  assert.ok(found.includes('needs libstdc++.so.6'), found.join())
})
Addon('a helper built with libc is noticed by its missing flags', () => {
  assert.equal(flagFaults('-ffreestanding -fno-exceptions -fno-stack-protector -fno-threadsafe-statics'), [
    'CMakeLists.txt: the helper is built without -nostdlib',
  ])
})
Addon('a folder without the two files is refused', () => {
  assert.is(withProject({ nothing: '' }, (root) => runScript('check-child-symbols.mjs', root)).status, 1)
})
Addon.run()
