// Whose the streams of a container are.
import type { Spec } from '../../model/oci-spec.ts'
import { isJoined } from './joined.ts'
import { hostId } from './userns.ts'

/** The uid, as the host counts, that the payload runs as. An ordinary user can give nothing away: the child does it. */
export const ownerOf = (spec: Spec): number =>
  isJoined(spec, 'user') ? 0 : (hostId(spec.linux?.uidMappings, spec.process?.user.uid ?? 0) ?? 0)
