#!/usr/bin/perl
# load.pl SOCKET CONNECTIONS REQUESTS STOP: asks over connections at once, as smtpd does, until there have been REQUESTS at least
# and the file STOP exists. Each answer has to begin with DUNNO. Status 1 if one has not come, or another.
use strict;
use warnings;
use IO::Socket::UNIX;

my ($path, $connections, $requests, $stop) = @ARGV;
my @children;
for my $number (1 .. $connections) {
    pipe(my $read, my $write) or die "pipe: $!";
    my $pid = fork() // die "fork: $!";
    if (!$pid) {
        my ($answered, $lost, $closed) = (0, 0, 0);
        my $socket;
        my $count = 0;
        while ($count < $requests / $connections || !-e $stop) {
            $count++;
            my $request = "request=smtpd_access_policy\nprotocol_state=RCPT\ninstance=$number.$count\n"
                . "client_address=192.0.2.99\nsender=a\@example.net\nrecipient=$number.$count\@example.org\n\n";
            my $answer = '';
            # Postfix sleeps, and asks once more, where a connection is closed. Here that is counted.
            for my $try (1, 2) {
                $socket //= IO::Socket::UNIX->new(Peer => $path);
                if ($socket && syswrite($socket, $request)) {
                    while ($answer !~ /\n\n\z/ && sysread($socket, my $part, 4096)) { $answer .= $part }
                }
                last if $answer =~ /\n\n\z/;
                $closed++;
                undef $socket;
            }
            if ($answer =~ /\Aaction=DUNNO [a-z]+\n\n\z/) { $answered++ }
            else { $lost++; print STDERR "lost: $number.$count: $answer\n" if $lost < 4 }
            last if $lost > 100;
        }
        print {$write} "$answered $lost $closed\n";
        exit 0;
    }
    close $write;
    push @children, $read;
}
my @sums = (0, 0, 0);
for my $read (@children) {
    my @numbers = split ' ', scalar(<$read>) // '0 1 0';
    $sums[$_] += $numbers[$_] for 0 .. 2;
}
print "answered $sums[0], lost $sums[1], connections closed between two requests $sums[2]\n";
exit($sums[1] || $sums[0] < $requests ? 1 : 0);
