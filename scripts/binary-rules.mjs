// The rules for the built helper and addon: what code between clone and execve may rely on, what we may export.
import { PT_GNU_STACK, readElf, TYPES } from './elf.mjs'

const HELPER_LIMIT_BYTES = 64 * 1024
/** What Node looks up in an addon (node_api.h, NAPI_MODULE_INIT). Any other export could displace a symbol of Node. */
const ADDON_EXPORTS = ['napi_register_module_v1', 'node_api_module_get_api_version_v1']
/** Libraries every node process has loaded before the addon. */
const ADDON_LIBRARIES =
  /^(libc|libm|libgcc_s|libpthread|ld-linux-x86-64|ld-linux-aarch64)\.so\.\d+$|^libc\.musl-.*\.so\.1$/

/** @returns one line per broken rule */
export const helperFaults = (file) => {
  const { bytes, segments, symbols, dynamicSymbols } = readElf(file)
  const has = (type) => segments.some((segment) => segment.type === type)
  const undefinedNames = [...symbols, ...dynamicSymbols].filter(({ isDefined }) => !isDefined)
  return [
    ...(has(TYPES.dynamic) ? ['has a dynamic section: it must run without a loader'] : []),
    ...(has(TYPES.interp) ? ['names an interpreter, which no container has to contain'] : []),
    ...(has(TYPES.tls) ? ['has thread-local storage, which nothing sets up'] : []),
    ...undefinedNames.map(({ name }) => `the symbol ${name} is undefined`),
    ...(bytes.length > HELPER_LIMIT_BYTES ? [`${bytes.length} bytes, more than ${HELPER_LIMIT_BYTES}`] : []),
    ...memoryFaults(segments),
  ]
}

/**
 * The shipped helper has no symbol table left, and a weak symbol may stay undefined in a linked file: so its object files
 * together must define whatever any of them uses.
 */
export const objectFaults = (files) => {
  const symbols = files.flatMap((file) => readElf(file).symbols)
  const defined = new Set(symbols.filter(({ isDefined }) => isDefined).map(({ name }) => name))
  const used = new Set(symbols.filter(({ isDefined }) => !isDefined).map(({ name }) => name))
  return [...used].filter((name) => !defined.has(name)).map((name) => `the symbol ${name} is undefined`)
}

/** @returns one line per broken rule */
export const addonFaults = (file) => {
  const { segments, needed, dynamicSymbols } = readElf(file)
  const exported = dynamicSymbols.filter(({ isDefined }) => isDefined).map(({ name }) => name)
  return [
    ...ADDON_EXPORTS.filter((name) => !exported.includes(name)).map((name) => `does not export ${name}`),
    ...exported.filter((name) => !ADDON_EXPORTS.includes(name)).map((name) => `exports ${name}`),
    ...needed.filter((name) => !ADDON_LIBRARIES.test(name)).map((name) => `needs ${name}`),
    ...memoryFaults(segments),
  ]
}

const memoryFaults = (segments) => {
  const stack = segments.find(({ type }) => type === PT_GNU_STACK)
  const both = segments.filter(
    ({ type, writable, executable }) => type === TYPES.load && writable && executable,
  )
  return [
    ...both.map(() => 'has memory that is both writable and executable'),
    ...(stack === undefined || stack.executable ? ['asks for an executable stack'] : []),
  ]
}

/** The list in CMakeLists.txt that keeps libc out of the helper at compile time. */
export const flagFaults = (cmake) =>
  ['-nostdlib', '-ffreestanding', '-fno-exceptions', '-fno-stack-protector', '-fno-threadsafe-statics']
    .filter((flag) => !cmake.includes(flag))
    .map((flag) => `CMakeLists.txt: the helper is built without ${flag}`)
