# Runs in a guest with the cards hw0 and hw1 on one wire. ptp4l serves the time of hw0's clock by hardware stamps; `./aes67` follows it on hw1 in several ways.
# The host has set SECONDS_EACH and PHASES.
ip netns add a
ip netns add b
for host in a b; do
	if [ $host = a ]; then card=hw0 address=10.68.0.1; else card=hw1 address=10.68.0.2; fi
	ip link set $card netns $host
	ip -n $host addr add $address/24 dev $card
	ip -n $host link set lo up
	ip -n $host link set $card up
	ip -n $host route add default dev $card
done
cat > $TMPDIR/ptp.cfg <<END
[global]
domainNumber 10
network_transport UDPv4
logAnnounceInterval 0
logSyncInterval -3
logMinDelayReqInterval -3
END
ip netns exec a ptp4l -H -i hw0 -m -q -f $TMPDIR/ptp.cfg --priority1 100 --free_running 1 --uds_address $TMPDIR/master > master.log 2>&1 &
until grep -q "assuming the grand master role" master.log; do sleep 0.2; done
parameters=/sys/module/stamping_nic/parameters
for phase in $PHASES; do
	stamps=hardware seconds=$SECONDS_EACH
	case $phase in
	kernel) stamps=kernel ;;
	# The card cannot note the host's time itself.
	bracketed) echo 0 > $parameters/cross ;;
	# Another program steers and steps the same clock meanwhile.
	steered) ip netns exec b timeout $seconds ptp4l -H -i hw1 -s -m -q -f $TMPDIR/ptp.cfg --step_threshold 0.00001 --uds_address $TMPDIR/slave > slave.log 2>&1 & ;;
	silent) echo 1 > $parameters/silent ;;
	# The kernel stamps by a clock that runs 500 ppm fast for 10 s, and is set forward by 1 s and
	# back by 300 ms. Both hosts have it, but the master's card does not. All of that by the client's
	# time, which may start late: what it said last when the slew began and ended is noted.
	slewed)
		stamps=kernel seconds=36
		{
			until [ -s slewed.json ]; do sleep 0.2; done
			sleep 10
			tail -n 1 slewed.json >> slew.marks
			busybox adjtimex -q -f 32768000
			sleep 10
			tail -n 1 slewed.json >> slew.marks
			busybox adjtimex -q -f 0
			date -s "+1 second"
			sleep 3
			back=$(($(date +%s%N) - 300000000))
			date -s @${back%?????????}.${back: -9}
		} > slew.log 2>&1 &
		;;
	# It comes to its senses, which is found within two minutes.
	recovered)
		seconds=150
		echo 1 > $parameters/silent
		{ sleep 20; echo 0 > $parameters/silent; } &
		;;
	esac
	phc_ctl /dev/ptp0 cmp >> truth.log
	ip netns exec b ./aes67 -v ptp --interface hw1 --domain 10 --timestamps $stamps --json --seconds $seconds > $phase.json 2> $phase.log
	phc_ctl /dev/ptp0 cmp >> truth.log
done
