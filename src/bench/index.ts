// What the command line needs of the benchmark: a bundle of its own, so that no other command's start compiles it.
export { openFolder, writeReport } from './files.ts'
export { isEngineError, runBench } from './main.ts'
export { resultsJson, resultsOf } from './results.ts'
export { selectionOf, WORDS } from './selection.ts'
export { summaryTables } from './summary-text.ts'
