// A directory that was filled in private takes the place of an empty one that others may hold.
#pragma once
#include <stdint.h>

#include <string>

#include "layer/entry.h"

namespace slipway::layer {

// Gives `into` the owner, mode, attributes and times of `from`, and each name that is in it, one
// rename(2) after another, then removes `from`. Both are absolute paths below trusted parents, on
// one file system; a name that is taken in `into` stays as it is there. What was cut short goes on
// where it was when it is called again; a `from` that is gone is a success. Adds to `moved`.
bool move_entries(const std::string& from, const std::string& into, uint64_t* moved,
                  Failure* failure);

}  // namespace slipway::layer
