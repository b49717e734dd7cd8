// Resident driver that does nothing: what the pipes and Node's event loop add to every resident figure seen from outside.
import { serve } from './resident.mjs'

serve(async () => 1n)
