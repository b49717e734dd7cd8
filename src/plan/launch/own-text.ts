// Starts that differ in nothing but the container's id, its time and the names of volumes drawn for it share one plan: these are written into its data each time.
import { type OpInfo, PROGRAM } from '../program.ts'
import type { LaunchInput, LaunchPlan, PlannedProgram } from './index.ts'

/** Lower-case hex digits of an id; the first twelve are the default host name. */
const ID_DIGITS = 64
const SHORT_DIGITS = 12
/** Digits of a time in milliseconds since 1970, from 2001 to 2286. */
const TIME_DIGITS = 13

/** What a start writes into its plan's bytes, where the plan's `patches` say. */
export const ownText = (id: string, timeMs: number, volumes: readonly string[] = []): string =>
  `${id}${timeMs}${volumes.join('')}`
export const idOf = (own: string): string => own.slice(0, ID_DIGITS)

/** What a plan says about its own container, said about another one. */
export const renamed = (
  text: string,
  { id, volumes }: Pick<LaunchPlan, 'id' | 'volumes'>,
  own: string,
): string => {
  if (own === '') return text
  const named = text
    .replaceAll(id, idOf(own))
    .replaceAll(id.slice(0, SHORT_DIGITS), idOf(own).slice(0, SHORT_DIGITS))
  return volumes.reduce((all, name, index) => {
    const at = volumeAt(index)
    return all.replaceAll(name, own.slice(at, at + ID_DIGITS))
  }, named)
}

/** Where the own text has a volume's name. */
const volumeAt = (index: number): number => ID_DIGITS + TIME_DIGITS + index * ID_DIGITS

/** Rows of four: which program, offset in it, offset in the own text, length. */
const ROW = 4

type Programs = Pick<LaunchPlan, 'prepare' | 'after' | 'inChild' | 'layers' | 'network' | 'stages'>

/** Every place where id, time and names, which must occur by no accident, stand in the plan's bytes. */
export const patchesOf = (
  plan: Programs,
  { id, createdMs, volumes = [] }: Pick<LaunchInput, 'id' | 'createdMs' | 'volumes'>,
): Uint32Array =>
  Uint32Array.from(
    programsOf(plan).flatMap(([index, { bytes }]) => [
      ...idPlaces(bytes, id).flatMap(({ at, length }) => [index, at, 0, length]),
      ...offsetsOf(bytes, String(createdMs)).flatMap((at) => [index, at, ID_DIGITS, TIME_DIGITS]),
      ...volumes.flatMap((name, volume) =>
        offsetsOf(bytes, name).flatMap((at) => [index, at, volumeAt(volume), ID_DIGITS]),
      ),
    ]),
  )

/**
 * The same for texts of any kind, which must occur by no accident either: another start replaces each by one of as many bytes, and its
 * own text is all of them in their order.
 */
export const placesOf = (plan: Programs, texts: readonly string[]): Uint32Array => {
  const sizes = texts.map((text) => Buffer.byteLength(text))
  const from = (index: number): number => sizes.slice(0, index).reduce((all, size) => all + size, 0)
  return Uint32Array.from(
    programsOf(plan).flatMap(([program, { bytes }]) =>
      texts.flatMap((text, index) =>
        offsetsOf(bytes, text).flatMap((at) => [program, at, from(index), sizes[index] ?? 0]),
      ),
    ),
  )
}

/** The plan of another container: bytes and all. */
export const withOwnText = (plan: LaunchPlan, own: string): LaunchPlan => {
  const { patches } = plan
  const fill = <P extends PlannedProgram>(program: P, index: number): P => {
    const bytes = Buffer.from(program.bytes)
    for (let row = 0; row < patches.length; row += ROW) {
      if (patches[row] !== index) continue
      const [at = 0, from = 0, length = 0] = [patches[row + 1], patches[row + 2], patches[row + 3]]
      bytes.write(own.slice(from, from + length), at, 'latin1')
    }
    // What a failure is told by: hardly ever asked for.
    let infos: readonly OpInfo[] | undefined
    return {
      ...program,
      bytes,
      get infos() {
        infos ??= program.infos.map((info) =>
          info.path === undefined ? info : { ...info, path: renamed(info.path, plan, own) },
        )
        return infos
      },
    }
  }
  return {
    ...plan,
    id: idOf(own),
    prepare: fill(plan.prepare, PROGRAM.prepare),
    after: fill(plan.after, PROGRAM.after),
    ...(plan.inChild === undefined ? {} : { inChild: fill(plan.inChild, PROGRAM.inChild) }),
    ...(plan.layers === undefined ? {} : { layers: fill(plan.layers, PROGRAM.layers) }),
    ...(plan.network === undefined ? {} : { network: fill(plan.network, PROGRAM.network) }),
    stages: plan.stages.map((stage, index) => fill(stage, PROGRAM.firstStage + index)),
  }
}

const programsOf = (plan: Programs): [number, PlannedProgram][] => [
  ...(['prepare', 'inChild', 'after', 'layers', 'network'] as const).flatMap(
    (name): [number, PlannedProgram][] => {
      const program = plan[name]
      return program === undefined ? [] : [[PROGRAM[name], program]]
    },
  ),
  ...plan.stages.map((stage, index): [number, PlannedProgram] => [PROGRAM.firstStage + index, stage]),
]

/** All of the id, or the part that is the default host name. */
export const idPlaces = (
  bytes: Uint8Array,
  id: string,
): { readonly at: number; readonly length: number }[] => {
  const buffer = asBuffer(bytes)
  return offsetsOf(bytes, id.slice(0, SHORT_DIGITS)).map((at) => ({
    at,
    length: buffer.toString('latin1', at, at + ID_DIGITS) === id ? ID_DIGITS : SHORT_DIGITS,
  }))
}

const offsetsOf = (bytes: Uint8Array, text: string): number[] => {
  const buffer = asBuffer(bytes)
  const found: number[] = []
  const next = (from: number): number => buffer.indexOf(text, from, 'latin1')
  for (let at = next(0); at >= 0; at = next(at + text.length)) found.push(at)
  return found
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
