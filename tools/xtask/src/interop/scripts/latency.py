"""When pulses of a stream are stamped, and when they come out at JACK: for whoever wants to know how long they took.

latency.py ADDRESS GROUP SECONDS [wire]

For each pulse two lines: `sent FRAME`, its RTP timestamp (a frame of 48 kHz, modulo 2^32), as a socket of its own reads it from the wire; and `heard NS`, the system's time at which
JACK says that its frame is played, were there nothing behind JACK. JACK's time is of a clock of its own choice; both clocks are read together once a second.
At first: `period FRAMES playback LEAST MOST`, the frames of JACK's period, and those of the latency that JACK tells of its playback port.

With `wire` JACK is left out, and the wire only is read.

The stream is of two channels of 24 bits; its pulses are frames above a quarter of full scale, between silence. Needs libjack only: JACK's Python bindings know no times of cycles.
"""
import ctypes, os, signal, socket, sys, time
address, group, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
LOUD = 0.25
# Frames that belong to the same pulse: resampling spreads it.
SPREAD = 480

def say(*words):
    sys.stdout.write(' '.join(map(str, words)) + '\n')
    sys.stdout.flush()

def read_wire():
    wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    wire.bind((group, 5004))
    wire.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton(address))
    while True:
        packet = wire.recv(2048)
        timestamp, audio = int.from_bytes(packet[4:8], 'big'), packet[12:]
        if any(audio):
            for frame in range(len(audio) // 6):
                if int.from_bytes(audio[6 * frame:6 * frame + 3], 'big', signed=True) > LOUD * 2**23:
                    say('sent', (timestamp + frame) % 2**32)

class Cycle(ctypes.Structure):
    """What jack_get_cycle_times tells."""
    _fields_ = [('frames', ctypes.c_uint32), ('start_us', ctypes.c_uint64), ('next_us', ctypes.c_uint64), ('period_us', ctypes.c_float)]

def library():
    jack = ctypes.CDLL('libjack.so.0')
    jack.jack_client_open.restype = jack.jack_port_register.restype = jack.jack_port_get_buffer.restype = ctypes.c_void_p
    jack.jack_port_by_name.restype = jack.jack_port_get_all_connections.restype = ctypes.c_void_p
    jack.jack_port_name.restype = ctypes.c_char_p
    jack.jack_get_time.restype = ctypes.c_uint64
    return jack

def read_jack():
    jack = library()
    status = ctypes.c_int()
    client = ctypes.c_void_p(jack.jack_client_open(b'latency', 1, ctypes.byref(status)))
    if not client:
        sys.exit('no JACK server')
    port = ctypes.c_void_p(jack.jack_port_register(client, b'in', b'32 bit float mono audio', ctypes.c_ulong(1), ctypes.c_ulong(0)))
    cycle, last, heard = Cycle(), [-SPREAD], []

    def process(count, _):
        samples = (ctypes.c_float * count).from_address(jack.jack_port_get_buffer(port, count))
        loudest = max(samples)
        if loudest > LOUD:
            jack.jack_get_cycle_times(client, ctypes.byref(cycle), ctypes.byref(cycle, 8), ctypes.byref(cycle, 16), ctypes.byref(cycle, 24))
            at = samples[:].index(loudest)
            if (cycle.frames + at - last[0]) % 2**32 > SPREAD:
                heard.append(cycle.start_us + at * cycle.period_us / count)
            last[0] = cycle.frames + at
        return 0

    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_uint32, ctypes.c_void_p)(process)
    jack.jack_set_process_callback(client, callback, None)
    jack.jack_activate(client)
    card, latency = ctypes.c_void_p(jack.jack_port_by_name(client, b'system:playback_1')), (ctypes.c_uint32 * 2)()
    jack.jack_port_get_latency_range(card, 1, latency)
    say('period', jack.jack_get_buffer_size(client), 'playback', latency[0], latency[1])
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        connect(jack, client, port, card)
        time.sleep(1)
        ahead_ns = min(system_minus_jack(jack) for _ in range(20))[1]
        while heard:
            say('heard', int(heard.pop(0) * 1000) + ahead_ns)
    jack.jack_deactivate(client)

def system_minus_jack(jack):
    """How sure it is, in ns, and what it is."""
    before, jack_us, after = time.time_ns(), jack.jack_get_time(), time.time_ns()
    return after - before, (before + after) // 2 - jack_us * 1000

def connect(jack, client, port, card):
    """To whatever plays on the card: the plugin of ALSA comes when it is opened, and anew after an xrun."""
    names = jack.jack_port_get_all_connections(client, card)
    if names:
        jack.jack_connect(client, ctypes.cast(names, ctypes.POINTER(ctypes.c_char_p))[0], jack.jack_port_name(port))
        jack.jack_free(ctypes.c_void_p(names))

if sys.argv[4:] == ['wire']:
    # Whoever stops it has no child to look for.
    signal.alarm(int(seconds))
    read_wire()
child = os.fork()
if child == 0:
    read_wire()
try:
    read_jack()
finally:
    os.kill(child, 9)
