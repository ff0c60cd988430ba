// Places inside scalars (declared in yaml_tree.h).
#include <algorithm>

#include "policy/yaml_tree.h"

namespace sluice::policy {
namespace {

using Jump = std::pair<std::uint32_t, SourceSpan>;

// The jump that byte `offset` runs in step with, or end() for the beginning of the scalar.
std::vector<Jump>::const_iterator jump_before(const std::vector<Jump>& jumps, std::size_t offset) {
  const auto next =
      std::upper_bound(jumps.begin(), jumps.end(), offset,
                       [](std::size_t o, const Jump& jump) { return o < jump.first; });
  return next == jumps.begin() ? jumps.end() : next - 1;
}

}  // namespace

SourceSpan Scalar::span(std::size_t offset, std::size_t length) const {
  SourceSpan place = begin;
  place.length = static_cast<std::uint32_t>(length);
  const auto jump = jump_before(jumps, offset);
  const std::size_t from = jump == jumps.end() ? 0 : jump->first;
  if (jump != jumps.end()) {
    place.line = jump->second.line;
    place.column = jump->second.column;
  }
  place.column += static_cast<std::uint32_t>(offset - from);
  // Escapes make the piece longer in the file than in the text; a piece that goes on in another
  // line ends with its own.
  std::size_t end = offset + length, in_step_from = offset;
  std::uint32_t column = place.column;
  for (auto next = jump == jumps.end() ? jumps.begin() : jump + 1;
       next != jumps.end() && next->first <= end; ++next) {
    if (next->second.line != place.line) {
      end = next->first;
      break;
    }
    column = next->second.column;
    in_step_from = next->first;
  }
  place.length = column + static_cast<std::uint32_t>(end - in_step_from) - place.column;
  return place;
}

void ScalarBuilder::note(std::uint32_t line, std::uint32_t column) {
  if (scalar_.text.empty()) {
    scalar_.begin.line = line;
    scalar_.begin.column = column;
  } else if (line != line_ || column != column_) {
    SourceSpan place = scalar_.begin;
    place.line = line;
    place.column = column;
    scalar_.jumps.emplace_back(static_cast<std::uint32_t>(scalar_.text.size()), std::move(place));
  }
  line_ = line;
  column_ = column;
}

void ScalarBuilder::add(char byte, std::uint32_t line, std::uint32_t column) {
  note(line, column);
  scalar_.text += byte;
  ++column_;
}

Scalar ScalarBuilder::finish(std::uint32_t line, std::uint32_t column) {
  note(line, column);
  return std::move(scalar_);
}

}  // namespace sluice::policy
