// Where the bytes of a YAML scalar stand in the file. The YAML library gives the text of a scalar
// and the place where it begins; this walks the file beside the text and notes every place where
// they stop running in step (escapes, doubled quotes, folded lines, indentation of blocks). Private
// to yaml_tree.cpp.
#pragma once
#include <cstdint>
#include <string_view>

#include "policy/yaml_tree.h"

namespace sluice::policy {

// A position in the file that knows its line and column.
struct FileCursor {
  std::string_view text;
  std::size_t offset = 0;
  std::uint32_t line = 1, column = 1;

  bool at_end() const { return offset >= text.size(); }
  char peek(std::size_t ahead = 0) const {
    return offset + ahead < text.size() ? text[offset + ahead] : '\0';
  }
  void advance(std::size_t bytes = 1);
};

struct PlacedScalar {
  Scalar scalar;
  bool quoted = false;     // '…', "…" or a block
  bool closed = true;      // false: the closing quote is missing (the library takes the rest of the
                           // file for text)
  bool commented = false;  // a comment follows on the line of a plain scalar
};

// `at` stands on the first character of the scalar (the quote, the block indicator); `value` is its
// text.
PlacedScalar place_scalar(const SourceFilePtr& file, FileCursor at, std::string_view value);

}  // namespace sluice::policy
