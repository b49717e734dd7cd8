// Copies of single nodes, where a link is not possible.
#pragma once
#include <sys/stat.h>

namespace slipway::layer {

// Owner, mode, extended attributes (but overlay's own) and times of an open file. Zero, or -1 with
// errno set.
int copy_metadata(int from, int to);

// A node that is no directory, with its data and metadata. False with errno set.
bool copy_node(int from, const char* name, const struct stat& status, int to, const char* as);

}  // namespace slipway::layer
