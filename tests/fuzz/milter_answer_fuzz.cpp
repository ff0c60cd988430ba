// rooms: peer
// What a filter may send to an MTA: frames in any cut, negotiations, edits.
#include <cstdint>
#include <string>
#include <string_view>

#include "milter_peer/answers.h"
#include "milter_peer/frame.h"
#include "milter_peer/link.h"
#include "require.h"

namespace {

using namespace sluice::peer;
using sluice::fuzz::require;

// All frames of `bytes`, fed in pieces of `cut`, written again.
std::string rewritten(std::string_view bytes, std::size_t cut, bool& is_broken) {
  FrameReader reader;
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += cut) {
    reader.feed(bytes.substr(at, cut));
    while (const auto frame = reader.next()) append_frame(out, frame->code, frame->body);
  }
  is_broken = reader.is_broken();
  require(is_broken || out.size() + reader.pending_bytes() == bytes.size(), "no byte is lost");
  return out;
}

void check_frames(std::string_view bytes) {
  bool broken_whole = false, broken_cut = false;
  const std::string whole = rewritten(bytes, bytes.size() + 1, broken_whole);
  require(bytes.starts_with(whole), "frames written again are the bytes that came");
  for (const std::size_t cut : {1u, 5u}) {
    require(rewritten(bytes, cut, broken_cut) == whole, "the cut changes nothing");
    require(broken_cut == broken_whole, "the cut breaks nothing");
  }
}

void check_negotiation(std::string_view body) {
  const auto agreed = parse_negotiation(body);
  if (!agreed) return;
  require(body.size() >= 12, "a negotiation has three numbers");
  for (const auto& list : agreed->macros) {
    require(!list || list->size() <= kMaxMacroNames, "macro lists are bounded");
    if (!list) continue;
    for (const std::string& name : *list)
      require(!name.empty() && name.find(' ') == name.npos, "a macro name is one word");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  check_frames(text);
  check_negotiation(text);
  if (size > 0) {
    const Frame frame{text[0], text.substr(1)};
    require(parse_edit(frame).has_value() <= (part_of(frame) == AnswerPart::Edit),
            "only an edit is read as one");
  }
  const std::string undoubled = undouble_percent(text);
  require(undoubled.size() <= size, "undoubling shortens");
  (void)Endpoint::parse(text);
  return 0;
}
