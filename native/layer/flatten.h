// Makes one tree of hard links out of the unpacked layers of an image.
#pragma once
#include <stdint.h>

#include <string>
#include <vector>

#include "layer/entry.h"

namespace slipway::layer {

struct FlattenStats {
  uint64_t directories = 0;
  uint64_t links = 0;
  uint64_t copies = 0;  // where a file had as many links as its file system allows
};

// `layers`: directories in overlay form, bottom first. `target`: a directory on the same file
// system; empty, or with `over` what earlier calls made of the layers below. `scratch`: a path next
// to it that does not exist yet, and exists no more afterwards. Deeper layers are never changed.
bool flatten(const std::vector<std::string>& layers, const std::string& target,
             const std::string& scratch, bool over, FlattenStats* stats, Failure* failure,
             size_t* failed_layer);

}  // namespace slipway::layer
