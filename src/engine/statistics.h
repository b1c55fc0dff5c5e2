// SPDX-License-Identifier: MIT
// --stats: one block of counters on the log descriptor when a guest process ends by itself.
#pragma once

namespace grus {

// Prints when --stats was asked for; called by exit_group, and by nothing that a signal kills.
void report_statistics();

}  // namespace grus
