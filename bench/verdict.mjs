// Two sides' samples -> what is different, in numbers and in one sentence.
import { centreOf, median, rankTest, shiftBetween, signedRankTest, summary } from './statistics.mjs'

/** Below `SURE` two sides are told apart; below `PERHAPS` nobody should say that they are the same. */
const SURE = 0.01
const PERHAPS = 0.05
/** An interval that holds the difference less often than this says nothing. */
const ENOUGH = 0.9

/**
 * One value for each round: the starts of a block follow one another and share the machine's mood, so they are no independent
 * samples, and a test that took them for such would see differences where there are none.
 */
export const roundMedians = (samples, block) =>
  Array.from({ length: Math.floor(samples.length / block) }, (_, round) =>
    median(samples.slice(round * block, (round + 1) * block)),
  )

const percent = (part) => `${(100 * part).toFixed(1)} %`
const signedPercent = (part) => `${part < 0 ? '−' : '+'}${percent(Math.abs(part))}`
export const rangeText = ({ low, high }) => `${signedPercent(low)} and ${signedPercent(high)}`
export const pText = (p) => (p < 0.001 ? 'p < 0.001' : `p = ${p.toFixed(p < 0.1 ? 3 : 2)}`)

const sentence = (p, shift) => {
  const size = `B is ${percent(Math.abs(shift.estimate))} ${shift.estimate < 0 ? 'faster' : 'slower'}`
  if (p < SURE) return `${size} (${pText(p)})`
  if (p < PERHAPS) return `not sure: ${size} or the same (${pText(p)}); more rounds would tell`
  if (shift.certainty < ENOUGH) return `no difference seen, in too few rounds to see one (${pText(p)})`
  return `no difference seen: B − A is between ${rangeText(shift)} of A's time (${pText(p)})`
}

/** All rounds of both sides: Mann and Whitney's test. `smaller` is the share of pairs of rounds in which B was the faster one. */
const overRounds = (sessions) => {
  const [a, b] = ['a', 'b'].map((side) => sessions.flatMap((session) => session[side]))
  return { count: a.length, ...rankTest(a, b), shiftNs: shiftBetween(a, b) }
}

/** What two processes of one session differ by, in parts of A's time: their mood is the same, and their rounds are not. */
const overSessions = (sessions) => {
  const shifts = sessions.map(({ a, b }) => shiftBetween(a, b).estimate / median(a))
  return { count: shifts.length, ...signedRankTest(shifts), shift: centreOf(shifts) }
}

/**
 * `sessions` are `{ a, b }` in nanoseconds, in the order they were made, `block` of them in each round. Two processes of one
 * program differ for as long as they live, and rounds say nothing about that: so a difference has to show in both tests.
 */
export const verdictOf = (sessions, block) => {
  const [a, b] = ['a', 'b'].map((side) => summary(sessions.flatMap((session) => session[side])))
  const inRounds = sessions.map((one) => ({ a: roundMedians(one.a, block), b: roundMedians(one.b, block) }))
  const [rounds, bySession] = [overRounds(inRounds), overSessions(inRounds)]
  const p = Math.max(rounds.p, bySession.p)
  return { a, b, ratio: b.p50 / a.p50, rounds, sessions: bySession, p, verdict: sentence(p, bySession.shift) }
}
