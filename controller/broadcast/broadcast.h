#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string>

#include "controller/base/event.h"
#include "controller/base/task.h"
#include "controller/base/task_scope.h"
#include "controller/broadcast/encoder.h"
#include "controller/broadcast/options.h"
#include "controller/broadcast/pacer.h"
#include "controller/broadcast/packetizer.h"
#include "controller/broadcast/plan.h"
#include "controller/broadcast/publication.h"
#include "controller/broadcast/rest_client.h"
#include "controller/broadcast/source_info.h"
#include "controller/broadcast/speed_watch.h"

namespace sluice::controller::broadcast {

/// A broadcast from its beginning to its end: looks at the input, has ffmpeg make of it what
/// browsers can show, sends that at its pace, and sees to it that it arrives.
class Broadcast {
 public:
  Broadcast(asio::io_context* context, Options options, std::unique_ptr<RestClient> rest);

  /// Runs until the end of the input, a failure or a signal. The exit code.
  int Run();

 private:
  /// A task of the scope; failure is said and ends the broadcast.
  Task<void> Work();
  Task<Status> Begin();
  Task<Status> FindRoom();
  Task<Status> LookAtInput();
  Task<Status> StartEncoder();
  Task<void> SendFrames();
  Task<Status> SendFrame(QueuedFrame frame);
  Task<void> WatchSpeed();
  Task<void> WatchServer();
  Task<Status> RegisterAgain(const char* why);
  Task<void> ReportTimes();
  Task<void> End();

  Status StepDownOrSay(double speed);
  std::vector<TrackSpec> Specs() const;
  bool live() const { return source_.kind == SourceKind::kLive; }
  void Finish(int code, const std::string& error);

  asio::io_context* context_;
  Options options_;
  std::unique_ptr<RestClient> rest_;
  TaskScope scope_;
  Event done_;
  int exit_code_ = 0;
  StandardInput standard_input_;
  Source source_;
  SourceInfo info_;
  RoomCodecs room_;
  Plan plan_;
  Encoder encoder_;
  Publication publication_;
  Pacer pacer_;
  SpeedWatch speed_;
  std::optional<Packetizer> picture_;
  OpusClock sound_clock_;
  uint64_t packetizes_ = 0;  ///< the encoder's generation
  bool started_ = false;
  bool registering_ = false;
  bool said_slow_ = false;
  bool said_again_ = false;  ///< registered again since the last time that all was well
  int64_t began_ = 0;        ///< Now() at the first frame
  int64_t last_registered_ = 0;
};

/// `sluice broadcast`: the exit code.
int RunBroadcast(const std::vector<std::string>& arguments, const Environment& environment);

}  // namespace sluice::controller::broadcast
