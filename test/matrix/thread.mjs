// Runs a script in a worker thread, and ends as it ended.
import { Worker } from 'node:worker_threads'

const worker = new Worker(process.argv[2])
worker.on('error', (error) => {
  console.error(error)
  process.exitCode = 1
})
worker.on('exit', (code) => {
  if (code !== 0) process.exitCode = code
})
