// Narrowing: which optional facts and look-ups cannot be none where an expression is evaluated,
// because a condition in front of it holds (LANGUAGE 12, 9e.16). Only what `none` would make false
// counts: `is set`, equality with a value, membership, text tests. Evaluation is total, so the
// order of the parts does not matter. Private to policy/.
#pragma once
#include <set>
#include <string>

#include "policy/declarations.h"

namespace sluice::policy {

class Narrowing {
 public:
  // Adds what is set when `node` is true (or false).
  void assume(const Node& node, bool truth, std::size_t file, const Declarations& names);
  void add(const Narrowing& other) { set_.insert(other.set_.begin(), other.set_.end()); }
  // `node` is a fact, a let, a look-up or a call.
  bool is_set(const Node& node, std::size_t file, const Declarations& names) const;
  // A condition could not be read: nothing is said about what may be none.
  void assume_anything() { anything_ = true; }

 private:
  void assume_all(const Node& node, bool truth, std::size_t file, const Declarations& names);
  void assume_common(const Node& node, bool truth, std::size_t file, const Declarations& names);
  void note(const Node& node, std::size_t file, const Declarations& names);
  bool anything_ = false;
  std::set<std::string> set_;  // expressions, lets written out
};

}  // namespace sluice::policy
