// Directories in the making: each is locked by the process that fills it, so whoever finds one
// unlocked may remove it.
#pragma once
#include <string>

#include "layer/entry.h"
#include "sys/unique_fd.h"

namespace slipway::layer {

// Makes a directory of its own below `parent` and locks it (flock(2)): the lock ends with the
// process, however it ends.
sys::UniqueFd open_staging(const std::string& parent, std::string* path, Failure* failure);

// Waits until everything in the file system of `directory` is on the disk. Of a tree of thousands
// of files that is one commit of the journal, where fsync(2) for each would be thousands.
bool sync_staging(int directory, const std::string& path, Failure* failure);

// Removes what dead processes left below `parent`. Adds the number of names removed to `removed`.
bool sweep_staging(const std::string& parent, uint64_t* removed, Failure* failure);

}  // namespace slipway::layer
