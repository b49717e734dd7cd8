// The addon, seen from the layers.
import type { Addon } from '../native/addon.ts'
import type { LayerAddon } from '../native/layer-addon.ts'
import { loadAddon } from '../native/load.ts'

export const loadLayerAddon = (): LayerAddon => loadAddon() as Addon & LayerAddon
