#include "app/json_failure.h"

#include <ostream>
#include <streambuf>
#include <string>

#include "app/control_arguments.h"
#include "app/service.h"

namespace sluice::app {
namespace {

constexpr std::size_t kMostKept = 64 * 1024;

class KeptText : public std::streambuf {
 public:
  explicit KeptText(std::ostream& onward) : onward_(onward) {}
  // Without a progress bar that was wiped out and the end of the last line.
  std::string text() const {
    constexpr std::string_view kWiped = "\033[K";
    const std::size_t bar = kept_.rfind(kWiped);
    std::string text = bar == std::string::npos ? kept_ : kept_.substr(bar + kWiped.size());
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }

 private:
  int_type overflow(int_type c) override {
    const char octet = traits_type::to_char_type(c);
    return xsputn(&octet, 1) == 1 ? c : traits_type::eof();
  }
  std::streamsize xsputn(const char* octets, std::streamsize count) override {
    const auto size = static_cast<std::size_t>(count);
    kept_.append(octets, std::min(size, kMostKept - std::min(kept_.size(), kMostKept)));
    onward_.write(octets, count);
    return count;
  }
  int sync() override {
    onward_.flush();
    return 0;
  }

  std::ostream& onward_;
  std::string kept_;
};

}  // namespace

int with_json_failure(bool json, std::ostream& out, std::ostream& err,
                      const std::function<int(std::ostream& err)>& run) {
  if (!json) return run(err);
  KeptText kept(err);
  std::ostream said(&kept);
  const int code = run(said);
  if (code != kOk) out << refusal(code, kept.text()).json << "\n";
  return code;
}

}  // namespace sluice::app
