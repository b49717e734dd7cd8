// Which extended attributes of an archive reach the host's file system.
#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#include <string_view>

#include "layer/applier.h"
#include "layer/node.h"

namespace slipway::layer {
namespace {

enum class Rule {
  kNeeded,      // the file is not what the image means without it
  kIfPossible,  // as far as this file system and kind of node can hold it
  kSkipped,
};

// overlay's own attributes would redirect look-ups (trusted.overlay.redirect) or hide files; labels
// and measurements of security modules belong to the host that made them.
Rule rule_of(std::string_view name) {
  if (name.starts_with("trusted.overlay.") || name.starts_with("user.overlay."))
    return Rule::kSkipped;
  if (name == "security.capability") return Rule::kNeeded;
  if (name.starts_with("security.")) return Rule::kSkipped;
  if (name == kAccessAcl || name == kDefaultAcl) return Rule::kIfPossible;
  return name.starts_with("system.") ? Rule::kSkipped : Rule::kIfPossible;
}

// EPERM: user.* on a node that is neither a file nor a directory (xattr(7)). EINVAL: an ACL that
// names nobody known.
bool impossible(int error) { return error == EOPNOTSUPP || error == EPERM || error == EINVAL; }

}  // namespace

bool Applier::set_xattrs(const Entry& entry, int fd) {
  for (const Xattr& xattr : entry.xattrs) {
    if (!set_xattr(xattr, fd)) return false;
  }
  return true;
}

// `fd` is -1 for nodes that are not opened.
bool Applier::set_xattr(const Xattr& xattr, int fd) {
  const Rule rule = rule_of(xattr.name);
  if (rule == Rule::kSkipped) {
    stats_.skipped_xattrs++;
    return true;
  }
  const char* name = xattr.name.c_str();
  const int result = fd >= 0 ? fsetxattr(fd, name, xattr.value.data(), xattr.value.size(), 0)
                             : set_xattr_at(parent_->fd.get(), name_.c_str(), name, xattr.value);
  if (result == 0) {
    if (xattr.name == kDefaultAcl) stack_.inherits_acl = true;
    return true;
  }
  if (rule == Rule::kNeeded || !impossible(errno)) return fail("layer_xattr");
  stats_.skipped_xattrs++;
  return true;
}

}  // namespace slipway::layer
