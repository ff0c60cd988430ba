// Sources of kept messages: mbox, maildir, folders of .eml.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "app/line_reader.h"
#include "app/replay_mail_file.h"
#include "base/text.h"

namespace sluice::app {
namespace {

namespace fs = std::filesystem;

// "From ann@example.net Wed Nov 25 10:00:00 2026"; quoted lines of a body are ">From ".
class Mbox final : public ReplaySource {
 public:
  explicit Mbox(std::unique_ptr<LineReader> lines) : lines_(std::move(lines)) {}

  bool next(ReplayEvent& event) override {
    std::string_view line;
    while (!at_end_) {
      at_end_ = !lines_->next(line);
      const bool is_new =
          !at_end_ && line.substr(0, 5) == "From " && (is_blank_before_ || text_.empty());
      if (!at_end_ && !is_new) {
        is_blank_before_ = line.empty();
        if (line.size() > 5 && line.front() == '>' &&
            line.substr(line.find_first_not_of('>')).substr(0, 5) == "From ")
          line.remove_prefix(1);
        if (text_.size() < kMaxMailFile) text_.append(line).append("\r\n");
        continue;
      }
      const std::string message = std::move(text_);
      text_.clear();
      is_blank_before_ = false;
      if (message.empty()) continue;
      ++counts_.lines;
      if (event_of_message(message, TimePoint{}, event)) return true;
      ++counts_.not_understood;
    }
    return false;
  }
  ReplayCounts counts() const override { return counts_; }
  std::uint64_t position() const override { return lines_->position(); }
  std::uint64_t length() const override { return lines_->length(); }

 private:
  std::unique_ptr<LineReader> lines_;
  std::string text_;
  bool at_end_ = false, is_blank_before_ = false;
  ReplayCounts counts_;
};

struct MailFile {
  std::int64_t time = 0;  // seconds, for the order
  std::string path;
  bool operator<(const MailFile& other) const {
    return std::tie(time, path) < std::tie(other.time, other.path);
  }
};

// One file each, the oldest first.
class MailFiles final : public ReplaySource {
 public:
  explicit MailFiles(std::vector<MailFile> files) : files_(std::move(files)) {}

  bool next(ReplayEvent& event) override {
    while (position_ < files_.size()) {
      const MailFile& file = files_[position_++];
      ++counts_.lines;
      std::ifstream in(file.path, std::ios::binary);
      std::string text;
      std::array<char, 65'536> chunk{};
      while (in && text.size() < kMaxMailFile) {
        in.read(chunk.data(), chunk.size());
        text.append(chunk.data(), static_cast<std::size_t>(in.gcount()));
      }
      if (event_of_message(text, TimePoint(std::chrono::seconds(file.time)), event)) return true;
      ++counts_.not_understood;
    }
    return false;
  }
  ReplayCounts counts() const override { return counts_; }
  std::uint64_t position() const override { return position_; }
  std::uint64_t length() const override { return files_.size(); }

 private:
  std::vector<MailFile> files_;
  std::atomic<std::size_t> position_{0};
  ReplayCounts counts_;
};

// "1764064800.M1P2.mx,S=1200:2,S" begins with the time of delivery.
std::int64_t time_in_name(const fs::path& file) {
  std::int64_t time = 0;
  for (const char c : file.filename().string()) {
    if (c < '0' || c > '9' || time > 99'999'999'999) break;
    time = time * 10 + (c - '0');
  }
  return time;
}

Result<ReplaySourcePtr> files_below(const std::string& path, bool (*is_wanted)(const fs::path&)) {
  std::vector<MailFile> files;
  std::error_code error;
  for (fs::recursive_directory_iterator
           it(path, fs::directory_options::skip_permission_denied, error),
       end;
       !error && it != end; it.increment(error)) {
    if (files.size() < kMaxMailFiles && it->is_regular_file(error) && is_wanted(it->path()))
      files.push_back({time_in_name(it->path()), it->path().string()});
    error.clear();
  }
  if (files.empty()) return permanent("no messages in " + path);
  std::sort(files.begin(), files.end());
  return ReplaySourcePtr(std::make_unique<MailFiles>(std::move(files)));
}

}  // namespace

Result<ReplaySourcePtr> open_mbox(const std::string& path) {
  auto lines = LineReader::open(path);
  if (!lines) return tl::unexpected<Error>(lines.error());
  return ReplaySourcePtr(std::make_unique<Mbox>(std::move(*lines)));
}

Result<ReplaySourcePtr> open_maildir(const std::string& path) {
  return files_below(path, [](const fs::path& file) {
    const std::string folder = file.parent_path().filename().string();
    return folder == "cur" || folder == "new";
  });
}

Result<ReplaySourcePtr> open_eml(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    if (!std::ifstream(path)) return permanent("cannot read " + path);
    return ReplaySourcePtr(std::make_unique<MailFiles>(std::vector<MailFile>{{0, path}}));
  }
  return files_below(
      path, [](const fs::path& file) { return equal_folded(file.extension().string(), ".eml"); });
}

}  // namespace sluice::app
