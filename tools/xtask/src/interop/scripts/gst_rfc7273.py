"""Receives a stream by RFC 7273 and compares the capture time that GStreamer reads back with the RTP timestamps.

gst_rfc7273.py INTERFACE DOMAIN GMID GROUP CHANNELS SECONDS LATENCY_MS...
"""
import sys, gi
gi.require_version('Gst', '1.0'); gi.require_version('GstNet', '1.0'); gi.require_version('GstRtp', '1.0')
from gi.repository import Gst, GstNet, GstRtp, GLib
interface, domain, gmid, group, channels, seconds = sys.argv[1:7]
Gst.init(None)
assert GstNet.ptp_init(GstNet.PTP_CLOCK_ID_NONE, [interface]), 'no PTP'
clock = GstNet.PtpClock.new('p', int(domain))
assert clock.wait_for_sync(60 * Gst.SECOND), 'PTP does not lock'
RATE = 48000
for latency in sys.argv[7:]:
    caps = (f'application/x-rtp,media=audio,clock-rate={RATE},encoding-name=L24,channels=(int){channels},payload=96,'
            f'a-ts-refclk="ptp=IEEE1588-2008:{gmid}:{domain}",a-mediaclk="direct=0"')
    pipeline = Gst.parse_launch(
        f'rtpbin name=r latency={latency} rfc7273-sync=true add-reference-timestamp-meta=true '
        f'udpsrc address={group} port=5004 multicast-iface={interface} name=s ! r.recv_rtp_sink_0')
    pipeline.get_by_name('s').set_property('caps', Gst.Caps.from_string(caps))
    errors, ages, lost = [], [], []
    def probe(pad, info):
        buffer = info.get_buffer()
        meta = buffer.get_reference_timestamp_meta(None)
        ok, rtp = GstRtp.RTPBuffer.map(buffer, Gst.MapFlags.READ)
        timestamp = rtp.get_timestamp(); rtp.unmap()
        if meta is None:
            lost.append(timestamp)
            return Gst.PadProbeReturn.OK
        frames = (meta.timestamp * RATE + Gst.SECOND // 2) // Gst.SECOND
        errors.append(((frames - timestamp) + 2**31) % 2**32 - 2**31)
        ages.append(clock.get_time() - meta.timestamp)
        return Gst.PadProbeReturn.OK
    def added(element, pad):
        if not pad.get_name().startswith('recv_rtp_src'):
            return
        sink = Gst.ElementFactory.make('fakesink'); sink.set_property('sync', False)
        pipeline.add(sink); sink.sync_state_with_parent()
        pad.add_probe(Gst.PadProbeType.BUFFER, probe)
        pad.link(sink.get_static_pad('sink'))
    pipeline.get_by_name('r').connect('pad-added', added)
    pipeline.use_clock(clock); pipeline.set_start_time(Gst.CLOCK_TIME_NONE); pipeline.set_base_time(0)
    pipeline.set_state(Gst.State.PLAYING)
    loop = GLib.MainLoop(); GLib.timeout_add(int(float(seconds) * 1000), loop.quit); loop.run()
    pipeline.set_state(Gst.State.NULL)
    worst = max((abs(e) for e in errors), default=-1)
    print(f'latency {latency} ms: {len(errors)} packets, {len(lost)} without time, worst error {worst} samples, '
          f'median age {sorted(ages)[len(ages)//2] / 1e6 if ages else -1:.2f} ms', flush=True)
