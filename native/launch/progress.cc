#include "launch/progress.h"

#include <sys/mman.h>
#include <unistd.h>

namespace slipway::launch {

ProgressPage::~ProgressPage() {
  if (cells_ != nullptr) munmap(const_cast<uint32_t*>(cells_), kProgressSize);
  if (fd_ >= 0) close(fd_);
}

bool ProgressPage::open() {
  if (cells_ != nullptr) return true;
  if (fd_ < 0) fd_ = memfd_create("slipway-progress", MFD_CLOEXEC);
  if (fd_ < 0 || ftruncate(fd_, kProgressSize) != 0) return false;
  void* pages = mmap(nullptr, kProgressSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (pages == MAP_FAILED) return false;
  cells_ = static_cast<volatile uint32_t*>(pages);
  for (uint32_t cell = kProgressCells; cell > 0; cell--) free_.push_back(cell - 1);
  return true;
}

uint32_t ProgressPage::take() {
  if (!open() || free_.empty()) return kNoCell;
  const uint32_t cell = free_.back();
  free_.pop_back();
  cells_[cell] = 0;
  return cell;
}

uint32_t ProgressPage::give_back(uint32_t cell) {
  if (cell == kNoCell) return 0;
  free_.push_back(cell);
  return cells_[cell];
}

volatile uint32_t* ProgressPage::at(uint32_t cell) const {
  return cell == kNoCell ? nullptr : cells_ + cell;
}

}  // namespace slipway::launch
