// Functions of a library that the process may have already, or the system.
#pragma once

namespace slipway::sys {

// Looks names up where the process finds its own, else in the shared object `soname`, which then
// stays loaded.
class Library {
 public:
  // `probe`: a name that tells whether the process has the library.
  Library(const char* soname, const char* probe);

  // nullptr when nobody has it. All names of one library come from the same place.
  template <typename Function>
  void find(const char* name, Function** function) const {
    *function = reinterpret_cast<Function*>(look_up(name));
  }

 private:
  [[nodiscard]] void* look_up(const char* name) const;

  void* handle_ = nullptr;
};

}  // namespace slipway::sys
