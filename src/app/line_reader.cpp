#include "app/line_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

namespace sluice::app {
namespace {

constexpr std::size_t kChunk = 256 * 1024;

}  // namespace

Result<std::unique_ptr<LineReader>> LineReader::open(const std::string& path) {
  const bool is_standard_input = path == "-";
  const int fd = is_standard_input ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return permanent("cannot read " + path + ": " + std::strerror(errno));
  struct stat status {};
  if (::fstat(fd, &status) != 0 || S_ISDIR(status.st_mode)) {
    if (!is_standard_input) ::close(fd);
    return permanent("cannot read " + path + ": it is no file");
  }
  const bool is_file = S_ISREG(status.st_mode);
  return std::unique_ptr<LineReader>(new LineReader(
      fd, !is_standard_input, is_file ? static_cast<std::uint64_t>(status.st_size) : 0,
      is_file ? status.st_mtime : std::time(nullptr)));
}

LineReader::LineReader(int fd, bool owns, std::uint64_t length, std::int64_t modified)
    : fd_(fd), owns_(owns), length_(length), modified_(modified) {}

LineReader::LineReader(std::string text)
    : buffer_(std::move(text)),
      at_end_(true),
      length_(buffer_.size()),
      modified_(std::time(nullptr)) {}

LineReader::~LineReader() {
  if (owns_) ::close(fd_);
}

// More behind what is there; false at the end.
bool LineReader::fill() {
  if (at_end_) return false;
  buffer_.erase(0, begin_);
  begin_ = 0;
  const std::size_t old = buffer_.size();
  buffer_.resize(old + kChunk);
  ssize_t got = 0;
  do {
    got = ::read(fd_, buffer_.data() + old, kChunk);
  } while (got < 0 && errno == EINTR);
  buffer_.resize(old + static_cast<std::size_t>(got > 0 ? got : 0));
  at_end_ = got <= 0;
  return !at_end_;
}

std::string_view LineReader::peek() {
  if (begin_ == buffer_.size()) fill();
  return std::string_view(buffer_).substr(begin_);
}

bool LineReader::next(std::string_view& line) {
  bool is_too_long = false;
  for (std::size_t from = begin_;;) {
    const char* const end = from < buffer_.size()
                                ? static_cast<const char*>(std::memchr(buffer_.data() + from, '\n',
                                                                       buffer_.size() - from))
                                : nullptr;
    if (end != nullptr || (at_end_ && begin_ < buffer_.size())) {
      const std::size_t stop =
          end != nullptr ? static_cast<std::size_t>(end - buffer_.data()) : buffer_.size();
      line = std::string_view(buffer_).substr(begin_, std::min(stop - begin_, kMaxLine));
      position_ += stop - begin_ + (end != nullptr ? 1 : 0);
      begin_ = end != nullptr ? stop + 1 : stop;
      if (is_too_long) line = line.substr(0, kMaxLine);
      if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
      return true;
    }
    if (at_end_) return false;
    // Of a line without end only its beginning is kept.
    if (buffer_.size() - begin_ > kMaxLine) {
      is_too_long = true;
      position_ += buffer_.size() - begin_ - kMaxLine;
      buffer_.resize(begin_ + kMaxLine);
    }
    const std::size_t scanned = buffer_.size() - begin_;
    fill();
    from = begin_ + scanned;
  }
}

}  // namespace sluice::app
