// The way back from directories to layers: what an overlay shows, or what its writable layer
// changes.
#pragma once
#include <stdint.h>

#include <string>
#include <vector>

#include "layer/entry.h"
#include "layer/place.h"

namespace slipway::layer {

struct Trees {
  std::string lower;  // a tree without whiteouts; empty: none
  std::string upper;  // in overlay's form, its mount's own or not mounted at all; empty: none
  // Places the engine made to mount something there, from the root, without a leading slash. An
  // empty one that the lower tree has not is no change.
  std::vector<std::string> hidden;
};

struct Archived {
  uint64_t entries = 0;
  uint64_t bytes = 0;
  uint64_t sockets = 0;  // left out: no archive can hold one
};

// Writes the merged tree into a descriptor, or with `changes` what the upper directory makes of the
// lower one, whiteouts and all (image-spec layer.md). Entries are in the order of their names, and
// the same trees are the same bytes.
bool archive(const Trees& trees, bool changes, int fd, Archived* archived, Failure* failure);

// Writes what is at a place of a tree that is in use, be it a file or a directory, under `name`:
// the first part of every entry's name. Empty: that of a directory's own content. A symbolic link
// there is written as one, unless it is to be followed. What is on file systems of the kernel's own
// making is left out, and so is what goes away meanwhile.
bool archive_place(const Place& place, bool follow, const std::string& name, int fd,
                   Archived* archived, Failure* failure);

struct Change {
  char kind;  // 'A'dded, 'C'hanged, 'D'eleted
  std::string path;
};

// What the upper directory makes of the lower one, a line for each.
bool list_changes(const Trees& trees, std::vector<Change>* changes, Failure* failure);

// What differs between two trees without whiteouts: kind, mode, owner, size, times (not of
// directories), attributes, links, and content.
bool compare(const std::string& before, const std::string& after, std::vector<Change>* changes,
             Failure* failure);

}  // namespace slipway::layer
