// What directories take on disk, as du(1) counts it.
#pragma once
#include <stdint.h>

#include <string>
#include <vector>

#include "layer/entry.h"

namespace slipway::layer {

// For each path, in bytes of allocated blocks; nothing there is nothing. A node with several names
// counts for the first path that has it: the numbers add up to what all of them take together.
// Follows no link, and no depth costs more than two descriptors.
bool disk_usage(const std::vector<std::string>& paths, std::vector<uint64_t>* sizes,
                Failure* failure);

}  // namespace slipway::layer
