// Names for containers nobody named: two words, drawn by the container's own id.
const QUALITIES =
  'able amber bold brave brisk calm clear clever deep eager early fair fast firm free fresh glad gold grand keen kind light lively lucky merry mild noble open plain prime proud quick quiet rapid ready sharp silver smart soft solid steady still sunny swift tidy true vivid warm wise young'.split(
    ' ',
  )
const THINGS =
  'anchor beacon bell boat bridge buoy cable canal canvas cargo chart coast compass crane current deck dock drift ferry fleet galley gull harbor haven helm hull island jetty keel knot lagoon lantern ledger lock mast mooring oar pier pilot plank port quay reef rigging river rope rudder sail shore spar tide tug wake wharf'.split(
    ' ',
  )

export const containerName = (id: string): string => {
  const number = Number.parseInt(id.slice(0, 12), 16)
  const quality = QUALITIES[number % QUALITIES.length] ?? ''
  const thing = THINGS[Math.floor(number / QUALITIES.length) % THINGS.length] ?? ''
  return `${quality}_${thing}`
}

/** What people call a container: its given name, else the one its id draws. */
export const nameOf = ({ id, name }: { readonly id: string; readonly name: string }): string =>
  name === '' ? containerName(id) : name
