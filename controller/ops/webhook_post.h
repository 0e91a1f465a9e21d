#pragma once

#include "common/status.h"
#include "controller/ops/config.h"
#include "controller/ops/webhooks.h"

namespace sluice::controller {

/// Webhooks::Post to the server of the configuration: over https where its certificate is one that
/// this machine trusts (SSL_CERT_FILE and SSL_CERT_DIR name others), within ten seconds.
Webhooks::Post MakeWebhookPost(const WebhookConfig& config);

}  // namespace sluice::controller
