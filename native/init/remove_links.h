// Removes the links in a directory that lead to one place.
#pragma once

namespace slipway::init {

// Those in `directory` whose target begins with `text`. Nobody else who locks the directory
// (flock(2)) is in it meanwhile. 0 or -errno of the first that could not be removed.
long remove_links(int directory, const char* text) noexcept;

}  // namespace slipway::init
