// Canonical forms of header fields and bodies (RFC 6376 3.4), byte for byte.
//
// Lines come with CR LF or, from files, with LF alone; both are one line end. A CR without LF is a
// byte like any other.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace sluice::facts {

enum class Canonical : std::uint8_t { Simple, Relaxed };

// One field as "name:value", without the line end behind it. `value` as sent: with the blank behind
// the colon and the blanks and line ends of its folding.
void append_canonical_field(std::string& out, Canonical form, std::string_view name,
                            std::string_view value);

// The canonical body of what is fed, as it comes: nothing is kept but a few counters, however long
// the body or a line of it.
class CanonicalBody {
 public:
  explicit CanonicalBody(Canonical form) : form_(form) {}
  using Sink = std::function<void(std::string_view)>;
  void feed(std::string_view chunk, const Sink& sink);
  // The end of the body; once.
  void end(const Sink& sink);

 private:
  void take(char c, const Sink& sink);
  void take_byte(char c, const Sink& sink);
  void take_line_end();
  void emit(char c, const Sink& sink);
  void flush(const Sink& sink);

  Canonical form_;
  bool after_cr_ = false;        // a CR that may begin a line end
  bool blank_ = false;           // relaxed: white space that may stand before a line end
  bool has_content_ = false;     // a byte that is no line end was seen
  std::uint64_t line_ends_ = 0;  // not given out: they may be the empty lines at the end
  std::array<char, 4096> buffer_{};
  std::size_t filled_ = 0;
};

}  // namespace sluice::facts
