// What the runner prints: a line per file, reasons for skips, the whole output of a file that failed, one last line.

export const printFile = ({ file, green, problems, passed, failed, skips, ms, text }) => {
  const counts = [
    `${passed} passed`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(skips.length > 0 ? [`${skips.length} skipped`] : []),
  ].join(', ')
  console.log(`${green ? 'ok  ' : 'FAIL'} ${file}: ${counts} (${ms} ms)`)
  for (const { suite, name, reason } of skips) console.log(`     skip ${suite} › ${name}: ${reason}`)
  for (const problem of problems) console.log(`     !    ${problem}`)
  if (!green && text !== '') console.log(text.trimEnd().replace(/^/gm, '     | '))
}

/** @returns whether all is well: something ran, and nothing failed */
export const printSummary = (verdicts) => {
  const sum = (of) => verdicts.reduce((total, verdict) => total + of(verdict), 0)
  if (verdicts.length === 0) console.log('no test file matches')
  const red = verdicts.filter(({ green }) => !green).map(({ file }) => file)
  if (red.length > 0 && verdicts.length > 1) console.log(`not green: ${red.join(' ')}`)
  const failed = sum((verdict) => verdict.failed) + (verdicts.length === 0 ? 1 : 0)
  const skipped = sum((verdict) => verdict.skips.length)
  console.log(
    `${sum((verdict) => verdict.passed)} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`,
  )
  return failed === 0 && red.length === 0
}
