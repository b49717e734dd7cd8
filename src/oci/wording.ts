// Errors in the words that callers of a runtime look for: they have nothing but the text to tell one failure from another.
import { type EngineError, message } from '../model/errors.ts'
import type { UsageError } from './args.ts'

export type Failure = EngineError | UsageError

/**
 * containerd (process/utils.go, checkKillError) looks for `container not running`, `no such process` and `does not exist`;
 * dockerd (daemon/errors.go) and podman (libpod/oci_util.go) for `executable file not found in`, `permission denied` and `no such file
 * or directory`, which errno texts have anyway.
 */
export const wording = (failure: Failure): string => {
  switch (failure._tag) {
    case 'UsageError':
      return failure.message
    case 'ContainerNotFound':
      return `container ${failure.container} does not exist`
    case 'ContainerExists':
      return `container with given ID already exists: ${failure.container}`
    case 'WrongStatus':
      return `container not ${failure.wanted}: ${failure.container} is ${failure.status}`
    case 'CommandNotFound':
      return `exec: ${JSON.stringify(failure.command)}: executable file not found in $PATH`
    default:
      return message(failure)
  }
}
