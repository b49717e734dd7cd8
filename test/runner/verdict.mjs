// Judges one test file by its records and its end. A file is green only when every doubt is excluded.

/** @returns file, green, problems, passed, failed, skips, ms, text */
export const judge = (file, run) => {
  const tests = outcomes(run.records)
  const suites = suiteNames(run.records)
  const skips = run.records.filter(({ kind }) => kind === 'skip')
  const failures = tests.filter(({ results }) => results.includes('fail'))
  const passes = tests.filter(({ results }) => results.length === 1 && results[0] === 'pass')
  const problems = [
    ...endProblems(run),
    ...suites.flatMap((suite) => suiteProblems(suite, run.records)),
    ...tests.flatMap(testProblems),
    ...run.records
      .filter(({ kind }) => kind === 'hook')
      .map((hook) => `${hook.name} hook failed: ${hook.error}`),
    ...leftProblems(run),
    ...run.findings.map((report) => `a sanitizer's finding: ${summaryOf(report)}`),
  ]
  if (tests.length + skips.length === 0) problems.push('ran no test')
  const unfinished = tests.length - passes.length
  const green = problems.length === 0 && failures.length === 0
  return {
    file,
    green,
    problems: [...problems, ...failures.map(({ suite, name }) => `failed: ${suite} › ${name}`)],
    passed: passes.length,
    failed: green ? 0 : Math.max(1, unfinished),
    skips,
    ms: run.ms,
    text: [run.text, ...run.findings].join('\n'),
  }
}

/** Its last line that says it all, or the first. */
const summaryOf = (report) => {
  const lines = report.split('\n')
  return lines.find((line) => /^SUMMARY|runtime error/.test(line)) ?? lines[0]
}

const suiteNames = (records) => [
  ...new Set(records.filter(({ kind }) => kind === 'suite').map(({ suite }) => suite)),
]

/** Every registered test with its results, which should be exactly one. */
const outcomes = (records) =>
  records
    .filter(({ kind }) => kind === 'test')
    .map(({ id, suite, name }) => {
      const own = records.filter((fact) => fact.id === id).map(({ kind }) => kind)
      return {
        suite,
        name,
        started: own.includes('start'),
        results: own.filter((kind) => kind === 'pass' || kind === 'fail'),
      }
    })

const testProblems = ({ suite, name, started, results }) => {
  if (results.length === 1) return []
  if (results.length > 1) return [`ran ${results.length} times: ${suite} › ${name}`]
  return [`${started ? 'did not finish' : 'never ran'}: ${suite} › ${name}`]
}

const suiteProblems = (suite, records) => {
  const times = (kind) => records.filter((fact) => fact.suite === suite && fact.kind === kind).length
  if (times('run') < times('suite')) return [`the suite ${suite} is never run`]
  return times('end') === times('run') ? [] : [`the suite ${suite} did not end once per run`]
}

const endProblems = ({ code, signal, timedOut, ms }) => {
  if (timedOut) return [`timed out after ${(ms / 1000).toFixed(1)} s`]
  if (signal !== null) return [`killed by ${signal}`]
  return code === 0 ? [] : [`exit code ${code}`]
}

const leftProblems = ({ leftBehind, leftFiles, timedOut }) => {
  if (timedOut) return []
  return [
    ...leftBehind.map(({ pid, name }) => `left a process behind: ${name}${pid > 0 ? ` (${pid})` : ''}`),
    ...leftFiles.map((name) => `left behind in TMPDIR: ${name}`),
  ]
}
