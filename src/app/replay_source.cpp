#include "app/replay_source.h"

#include <filesystem>

#include "app/replay_decision_log.h"
#include "app/replay_mail_file.h"
#include "app/replay_postfix_log.h"

namespace sluice::app {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLookedAt = 64 * 1024;

template <class Source>
Result<ReplaySourcePtr> of_lines(std::unique_ptr<LineReader> lines) {
  return ReplaySourcePtr(std::make_unique<Source>(std::move(lines)));
}

template <class Source>
Result<ReplaySourcePtr> open_lines(const std::string& path) {
  auto lines = LineReader::open(path);
  if (!lines) return tl::unexpected<Error>(lines.error());
  return of_lines<Source>(std::move(*lines));
}

struct SourceKind {
  std::string_view name;
  Result<ReplaySourcePtr> (*open)(const std::string& path);
};

const SourceKind kKinds[] = {
    {"postfix", open_lines<PostfixLog>},
    {"decisions", open_lines<DecisionLogSource>},
    {"mbox", open_mbox},
    {"maildir", open_maildir},
    {"eml", open_eml},
};

bool is_folder(const std::string& path) {
  std::error_code error;  // what cannot be looked at is none
  return fs::is_directory(path, error);
}

bool has_extension(const std::string& path, std::string_view extension) {
  return path.size() > extension.size() && path.substr(path.size() - extension.size()) == extension;
}

Result<ReplaySourcePtr> by_content(const std::string& path) {
  if (has_extension(path, ".gz") || has_extension(path, ".xz") || has_extension(path, ".zst"))
    return permanent(path + " is compressed: zcat " + path + " | sluice replay ... -");
  auto lines = LineReader::open(path);
  if (!lines) return tl::unexpected<Error>(lines.error());
  const std::string_view head = (*lines)->peek().substr(0, kLookedAt);
  if (head.find("ev=decision ") != std::string_view::npos ||
      head.find("{\"ev\":\"decision\"") != std::string_view::npos)
    return of_lines<DecisionLogSource>(std::move(*lines));
  if (head.substr(0, 5) == "From " && path != "-") return open_mbox(path);
  if (head.find("postfix") != std::string_view::npos)
    return of_lines<PostfixLog>(std::move(*lines));
  return permanent(path +
                   ": neither a Postfix log, a decision log, an mbox, a maildir nor a message; "
                   "--kind says which it is");
}

}  // namespace

Result<ReplaySourcePtr> open_replay_source(const std::string& path, const std::string& kind) {
  for (const SourceKind& one : kKinds) {
    if (one.name == kind) return one.open(path);
  }
  if (!kind.empty())
    return permanent("--kind `" + kind + "`: postfix, decisions, mbox, maildir or eml");
  if (path != "-" && is_folder(path))
    return is_folder(path + "/cur") || is_folder(path + "/new") ? open_maildir(path)
                                                                : open_eml(path);
  return has_extension(path, ".eml") ? open_eml(path) : by_content(path);
}

}  // namespace sluice::app
