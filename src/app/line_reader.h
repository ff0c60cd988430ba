// LineReader: the lines of a file of any size, whatever bytes are in it.
//
// A line ends at LF, a CR in front of it goes; of longer lines than kMaxLine bytes the rest is
// dropped. Reading errors are the end of the file. One thread at a time; position() from any.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sluice::app {

class LineReader {
 public:
  static constexpr std::size_t kMaxLine = 64 * 1024;

  // "-": standard input. Error{Permanent}: it cannot be read.
  static Result<std::unique_ptr<LineReader>> open(const std::string& path);
  // Lines of a text in memory.
  explicit LineReader(std::string text);
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  // The view is good until the next call.
  bool next(std::string_view& line);
  // The first bytes, without taking them.
  std::string_view peek();

  std::uint64_t position() const { return position_; }
  std::uint64_t length() const { return length_; }  // 0: not known
  std::int64_t modified() const {
    return modified_;
  }  // seconds since 1970; now for what is no file

 private:
  LineReader(int fd, bool owns, std::uint64_t length, std::int64_t modified);
  bool fill();

  int fd_ = -1;
  bool owns_ = false;
  std::string buffer_;
  std::size_t begin_ = 0;
  bool at_end_ = false;
  std::atomic<std::uint64_t> position_{0};
  std::uint64_t length_ = 0;
  std::int64_t modified_ = 0;
};

}  // namespace sluice::app
