// Typed: an expression with its names resolved and its types checked, not yet flat. Private to
// policy/.
#pragma once
#include <string>
#include <vector>

#include "policy/code.h"

namespace sluice::policy {

struct Typed {
  CodeNode node;            // op and its settings; operands are the children
  Type type;                // Bool for conditions
  bool empty_list = false;  // `[]`: a list of anything
  Value constant;           // Op::Constant
  std::string name;         // Header: its name; Field, Item: for the log; Seen: what, as text
  std::vector<Typed> children;
  SourceSpan span;

  bool is_constant() const { return node.op == Op::Constant; }
};

}  // namespace sluice::policy
