// Walks the control messages of a received msghdr. The macro CMSG_NXTHDR calls into libc, which the
// helper has not.
#pragma once
#include <sys/socket.h>

namespace slipway::sys {

inline cmsghdr* first_control(msghdr* message) noexcept {
  return message->msg_controllen >= sizeof(cmsghdr) ? static_cast<cmsghdr*>(message->msg_control)
                                                    : nullptr;
}

inline cmsghdr* next_control(msghdr* message, cmsghdr* part) noexcept {
  char* next = reinterpret_cast<char*>(part) + CMSG_ALIGN(part->cmsg_len);
  const char* end = static_cast<char*>(message->msg_control) + message->msg_controllen;
  if (part->cmsg_len < sizeof(cmsghdr) || next + sizeof(cmsghdr) > end) return nullptr;
  return reinterpret_cast<cmsghdr*>(next);
}

}  // namespace slipway::sys
