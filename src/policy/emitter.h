// Emitter: lays a typed expression down as flat nodes, with constant parts folded and cheap parts
// of `and` and `or` in front (the result does not depend on their order). Private to policy/.
#pragma once
#include <utility>
#include <vector>

#include "policy/compilation.h"
#include "policy/typed.h"

namespace sluice::policy {

class Emitter {
 public:
  explicit Emitter(Compilation& compilation) : c_(compilation) {}

  // Adds an expression to the program. `text` is shown in traces.
  ExprId add(Typed typed, std::string text);
  // Adds nodes only, for templates.
  NodeId emit(Typed& typed);
  // The seen() calls met since the last time.
  std::vector<std::uint32_t> take_sites() { return std::exchange(sites_, {}); }
  // What a constant expression gives; nullptr when it is none.
  const Value* constant_of(ExprId expr) const;
  // State keys of seen() calls begin with this ("policy/rule").
  void name_sites(std::string prefix) { prefix_ = std::move(prefix); }

 private:
  bool simplify(Typed& typed);
  bool fold(Typed& typed);
  bool is_costly(const Typed& typed) const;
  NodeId lay_down(Typed& typed);
  void refer(Typed& typed, CodeNode& node, NodeId id);

  Compilation& c_;
  std::vector<NodeId> around_;  // quantifiers open
  std::vector<std::uint32_t> sites_;
  std::string prefix_;
};

}  // namespace sluice::policy
