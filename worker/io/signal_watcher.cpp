#include "worker/io/signal_watcher.h"

#include <string>
#include <utility>

namespace sluice::worker {

struct SignalWatcher::Handle {
  uv_signal_t signal{};
  Loop* loop = nullptr;
  std::function<void(int)> on_signal;

  static void Close(Handle* handle) {
    uv_close(reinterpret_cast<uv_handle_t*>(&handle->signal),
             [](uv_handle_t* h) { delete static_cast<Handle*>(h->data); });
  }
};

Result<std::unique_ptr<SignalWatcher>> SignalWatcher::Create(Loop& loop, int signal,
                                                             std::function<void(int)> on_signal) {
  auto owned = std::make_unique<Handle>();
  owned->loop = &loop;
  owned->on_signal = std::move(on_signal);
  if (const int rc = uv_signal_init(loop.uv(), &owned->signal); rc != 0) {
    return Error(std::string("cannot watch signals: ") + uv_strerror(rc));
  }
  Handle* handle = owned.release();  // from here on libuv knows it
  handle->signal.data = handle;
  const int rc = uv_signal_start(
      &handle->signal,
      [](uv_signal_t* h, int number) {
        auto* self = static_cast<Handle*>(h->data);
        self->loop->NoteWork();
        if (self->on_signal) self->on_signal(number);
      },
      signal);
  if (rc != 0) {
    Handle::Close(handle);
    return Error("cannot watch signal " + std::to_string(signal) + ": " + uv_strerror(rc));
  }
  return std::unique_ptr<SignalWatcher>(new SignalWatcher(handle));
}

SignalWatcher::~SignalWatcher() {
  uv_signal_stop(&handle_->signal);
  Handle::Close(handle_);
}

}  // namespace sluice::worker
