// RedisStoreCore: the parts of a RedisStore that calls on the way share with it.
#pragma once
#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "backends/deny_cache.h"
#include "backends/redis_list_copy.h"
#include "backends/redis_request.h"
#include "backends/redis_store.h"
#include "backends/steady_time.h"

namespace sluice::backends {

// One submission on its way.
struct RedisSubmission {
  std::vector<StateOp> ops;
  StateDone done;
  std::vector<StateAnswer> answers;
  // Where the answers stand; the second one is of the auto_key.
  struct Parts {
    std::optional<RedisRequest::Part> first, second;
  };
  std::vector<Parts> parts;
  std::optional<RedisRequest::Part> news;
  std::vector<RedisResult> results;
  Duration moment{};  // when it was sent
  bool asks_lists = false;
  bool wants_news = false;  // however fresh those are that are known
  std::size_t list_writes = 0;
};
using RedisSubmissionPtr = std::shared_ptr<RedisSubmission>;

class RedisStoreCore : public std::enable_shared_from_this<RedisStoreCore> {
 public:
  RedisStoreCore(std::unique_ptr<RedisClient> client, RedisStoreOptions options);

  void submit(std::vector<StateOp> ops, StateDone done, bool wants_news = false);
  // Ends the client: everything is answered.
  void close();
  void fetch_news();

  // Calls, as many at a time as a server's queue takes.
  void call(std::vector<RedisCall> calls, RedisDone done);
  // Not on the client's thread.
  std::vector<RedisResult> call_and_wait(std::vector<RedisCall> calls);
  RedisCallSettings settings() const;
  const RedisKeys& keys() const { return keys_; }
  const RedisStoreOptions& options() const { return options_; }

  // The lists as they are now; none: Redis is away. Waits.
  std::optional<std::vector<StateEntry>> list_entries(const std::string& filter);
  // Counts were reset or raised: here and, through Redis, everywhere.
  void forget_denials();

  StateHealth health() const;
  RedisStoreCounts counts() const;

 private:
  using Then = std::function<void(bool lists_are_known)>;

  // With the mutex held.
  void plan(RedisSubmission& work, RedisRequest& request);
  bool answer_from_memory(RedisSubmission& work, std::size_t i);
  Duration moment() const;
  TimePoint list_time() const;
  bool is_fresh(Duration most) const;
  bool lists_are_usable() const;
  bool take_news(const RedisResult& result, std::size_t answer);
  void take_server_time(TimePoint time, Duration ahead);
  StateAnswer answer_of(const RedisSubmission& work, std::size_t i, bool lists_are_known);
  StateAnswer list_answer(const RedisSubmission& work, std::size_t i, bool lists_are_known);
  void take_list_write(const StateOp& op, const RedisReply& reply);
  void note(const RedisSubmission& work, std::size_t i, const StateAnswer& answer);
  void keep_pass(const RedisSubmission& work, std::size_t i);

  RedisCallSettings looking_settings() const;
  std::vector<RedisCall> news_calls(std::int64_t known_version) const;

  // Without.
  struct Waves;
  void send_wave(const std::shared_ptr<Waves>& waves);
  void send(const RedisSubmissionPtr& work);
  void answered(const RedisSubmissionPtr& work, std::vector<RedisResult> results);
  void finish(const RedisSubmissionPtr& work, bool lists_are_known);
  void read_all_lists(Then then);
  void read_page(const std::string& cursor);
  void page_read(const RedisResult& result);
  void all_lists_read(bool is_done);
  void write_kept_passes();

  const RedisStoreOptions options_;
  const RedisKeys keys_;
  std::unique_ptr<RedisClient> client_;
  std::atomic<bool> is_closing_ = false;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();

  mutable std::mutex mutex_;
  SteadyTime test_time_;
  DenyCache denials_;
  Duration epoch_changed_{-1};
  std::int64_t epoch_ = -1;
  Duration longest_retry_;
  // News and the copy of the lists.
  std::optional<Duration> news_at_;
  std::int64_t version_ = -1;
  TimePoint server_time_{};  // of the lists' clock, at server_time_at_
  Duration server_time_at_{0}, ahead_{0};
  bool news_is_underway_ = false, same_pepper_ = true;
  RedisListCopy lists_, read_lists_;
  bool lists_are_complete_ = false, lists_are_old_ = false;
  std::size_t list_writes_ = 0;
  std::vector<Then> waiting_for_lists_;
  std::int64_t version_before_reading_ = -1;
  Duration expired_dropped_{0}, lists_read_at_{0};
  // Passes that could not be written, and since when.
  struct KeptPass {
    GreylistPromote op;
    Duration since;
  };
  std::deque<KeptPass> kept_passes_;
  bool kept_passes_underway_ = false;
  std::uint64_t remembered_denials_ = 0, not_available_ = 0;
};

}  // namespace sluice::backends
