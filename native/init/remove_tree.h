// Removes a directory with all that is in it.
#pragma once

namespace slipway::init {

// `name` in the directory `parent`. No link is followed, no other mount entered, and however deep
// the tree is, little memory and few descriptors are needed. 0 or -errno of what could not be
// removed.
long remove_tree(int parent, const char* name) noexcept;

}  // namespace slipway::init
