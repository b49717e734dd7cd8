// How far each start has come, in memory the engine shares with its launch children: a child that
// is killed says nothing any more, and the error is to name the step. One page serves an engine's
// starts; the child writes one word before each operation and loses the page with its exec.
#pragma once
#include <stdint.h>

#include <vector>

namespace slipway::launch {

inline constexpr uint32_t kNoCell = 0xffffffff;

// A cell is the stage + 1 in its upper half, the operation in its lower. 0: the helper has not
// begun a stage.
inline constexpr uint32_t kProgressInChild = 0xffff;    // in place of a stage: the clone's own plan
inline constexpr uint32_t kProgressReceiving = 0xffff;  // in place of an operation
inline constexpr uint32_t kProgressSize = 4096;
inline constexpr uint32_t kProgressCells = kProgressSize / sizeof(uint32_t);

inline constexpr uint32_t progress_base(uint32_t stage) noexcept { return (stage + 1) << 16; }

// JavaScript thread only, but for the cells' contents.
class ProgressPage {
 public:
  ProgressPage() = default;
  ProgressPage(const ProgressPage&) = delete;
  ProgressPage& operator=(const ProgressPage&) = delete;
  ~ProgressPage();

  // kNoCell when more starts are under way than there are cells: their steps stay unnamed.
  uint32_t take();
  // What the cell said last.
  uint32_t give_back(uint32_t cell);
  [[nodiscard]] volatile uint32_t* at(uint32_t cell) const;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  bool open();

  int fd_ = -1;
  volatile uint32_t* cells_ = nullptr;
  std::vector<uint32_t> free_;
};

}  // namespace slipway::launch
