// Deletes trees that hostile programs may have made.
#pragma once
#include <stdint.h>

#include <string>

#include "layer/entry.h"

namespace slipway::layer {

// Removes `name` below `parent` and everything in it: never follows a symbolic link, never enters a
// mount (the rest stays and EXDEV is reported), and no depth of nesting costs more than a few dozen
// descriptors. Nothing there is a success. Adds the number of names removed to `removed`.
bool remove_tree(int parent, const char* name, uint64_t* removed, Failure* failure);

// The same for an absolute path, whose parent is trusted.
bool remove_path(const std::string& path, uint64_t* removed, Failure* failure);

}  // namespace slipway::layer
